import type { Term, Version, WriterMode } from '@cauce/protocol';
import type pg from 'pg';
import type { Statements } from './statements.ts';
import type { Statement } from './transaction.ts';

/** Who may write the sessions of a partition. */
export interface PartitionMode {
  readonly partition: number;
  readonly mode: WriterMode;
  /** Rises with each change. */
  readonly term: Term;
  /** The term with which the present time in Redis began; '0': it was there before there were modes. */
  readonly period: Term;
  /** Each version that is issued from now on is above it. */
  readonly floor: Version;
  readonly changedAt: Date;
  readonly changedBy: string;
}

export interface ModeChange {
  readonly to: WriterMode;
  /** A new period in Redis begins with it. */
  readonly beginsPeriod: boolean;
  /** No version above it is in a row; undefined: the floor stays. */
  readonly floor: Version | undefined;
  /** For people, in `changed_by`. */
  readonly actor: string;
}

export interface ModeQueries {
  /** By partition; empty where there is no rollout. */
  readModes(): Promise<PartitionMode[]>;
  /** Stores the first mode of every partition. Nothing, and 0, if one has a mode already. */
  startModes(call: { partitions: number; mode: 'direct' | 'redis'; actor: string }): Promise<number>;
  /**
   * Changes the mode if it is still the given one, when the saves under way have ended.
   *
   * @returns undefined when somebody else changed it
   */
  changeMode(
    from: Pick<PartitionMode, 'partition' | 'mode' | 'term'>,
    change: ModeChange,
  ): Promise<Pick<PartitionMode, 'term' | 'period' | 'floor'> | undefined>;
}

export interface ModeQueriesDeps {
  readonly statements: Statements;
  /** Runs the statements in one transaction; gives the rows of the last one. */
  readonly transact: <Row extends pg.QueryResultRow>(
    statement: Statement | readonly Statement[],
  ) => Promise<Row[]>;
}

export function createModeQueries({ statements, transact }: ModeQueriesDeps): ModeQueries {
  return {
    async readModes() {
      const rows = await transact<ModeRow>({ text: statements.selectModes });
      return rows.map(({ changed_at: changedAt, changed_by: changedBy, ...row }) => ({
        ...{ ...row, changedAt, changedBy },
      }));
    },
    async startModes({ partitions, mode, actor }) {
      return (await transact({ text: statements.startModes, values: [partitions, mode, actor] })).length;
    },
    async changeMode({ partition, mode, term }, { to, beginsPeriod, floor, actor }) {
      const values = [partition, mode, term, to, beginsPeriod, floor ?? null, actor];
      const [changed] = await transact<Pick<PartitionMode, 'term' | 'period' | 'floor'>>([
        { text: statements.lockMode, values: [partition] },
        { text: statements.changeMode, values },
      ]);
      return changed;
    },
  };
}

interface ModeRow extends Omit<PartitionMode, 'changedAt' | 'changedBy'> {
  readonly changed_at: Date;
  readonly changed_by: string;
}
