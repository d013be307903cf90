import type { Term, Version, WriterMode } from '@cauce/protocol';
import type pg from 'pg';
import { addressOf, atServer } from './at-server.ts';
import type { TableNames } from './identifiers.ts';
import { renderStatements } from './statements.ts';
import { inTransaction, type Statement } from './transaction.ts';

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

export interface ModeQueriesOptions extends TableNames {
  /** Longest wait for the saves under way, ms. Those that come later wait behind this. */
  readonly lockTimeoutMs: number;
  /** Longest run of a statement, ms. */
  readonly statementTimeoutMs: number;
}

/** The statements with named arguments; they reject with what pg throws. */
export function createModeQueries(pool: pg.Pool, options: ModeQueriesOptions): ModeQueries {
  const statements = renderStatements(options);
  const server = addressOf(pool.options ?? {});

  async function transact(...given: Statement[]): Promise<pg.QueryResultRow[]> {
    try {
      const results = await inTransaction(pool, { statements: given, limits: () => options });
      return results.at(-1) ?? [];
    } catch (error) {
      throw atServer(error, server);
    }
  }

  return {
    async readModes() {
      const rows = await transact({ text: statements.selectModes });
      return rows.map(({ changed_at, changed_by, ...row }) => ({
        ...(row as Omit<PartitionMode, 'changedAt' | 'changedBy'>),
        changedAt: changed_at as Date,
        changedBy: changed_by as string,
      }));
    },
    async startModes({ partitions, mode, actor }) {
      return (await transact({ text: statements.startModes, values: [partitions, mode, actor] })).length;
    },
    async changeMode({ partition, mode, term }, { to, beginsPeriod, floor, actor }) {
      const values = [partition, mode, term, to, beginsPeriod, floor ?? null, actor];
      const [changed] = await transact(
        { text: statements.lockMode, values: [partition] },
        { text: statements.changeMode, values },
      );
      return changed as Pick<PartitionMode, 'term' | 'period' | 'floor'> | undefined;
    },
  };
}
