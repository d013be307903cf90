import { InvalidOptionError } from '../../error.ts';
import { countIn, listIn, oneOf, textIn } from '../../redis/replies.ts';
import type { Version } from '../version.ts';
import { isTerm, parseMode, type StoredMode, type Term, type WriterMode } from '../writer-mode.ts';
import { refuseForeign } from './arguments.ts';
import type { ScriptDeps } from './run-script.ts';
import type { Epoch } from './stored-session.ts';

const installOutcomes = ['installed', 'known', 'void', 'epoch', 'unreadable'] as const;
const sealOutcomes = ['sealed', 'moved', 'dirty', 'parked', 'database'] as const;

export interface InstallReply {
  /**
   * `known`: the term is not higher than the stored one. `void`: Redis may have lost the seal of this way back: begin it anew.
   * `epoch`: another one began since the caller asked. `unreadable`:
   * another program overwrote the mode or the floor. In both of these, open the partition and read PostgreSQL again.
   */
  readonly outcome: (typeof installOutcomes)[number];
  /** As it is stored now; undefined: none is, or it is unreadable. */
  readonly mode: StoredMode | undefined;
  readonly dirtySessions: number;
}

export interface SealReply {
  /**
   * `sealed`: now, or before at this term and still true. `moved`: the mode is another one, or has another term. `dirty`, `parked`:
   * `sessions` are not in PostgreSQL. `database`: they were carried to another place.
   */
  readonly outcome: (typeof sealOutcomes)[number];
  /** As it is stored now; undefined: none is, or it is unreadable. */
  readonly mode: StoredMode | undefined;
  /** Those that are in the way; 0 unless `dirty` or `parked`. */
  readonly sessions: number;
}

/** The copy of the writer mode that Redis has. It only moves to a higher term. */
export interface ModeScripts {
  /** What PostgreSQL has. `epoch`: the one Redis had before PostgreSQL was read; `floor`: for `redis`, '0' = none. */
  install(
    partition: number,
    call: { mode: WriterMode; term: Term; period: Term; floor: Version; epoch: Epoch },
  ): Promise<InstallReply>;
  /** `database`: the place that partition 0 has to name; not compared without. */
  seal(partition: number, call: { term: Term; database?: string }): Promise<SealReply>;
}

export function modeScripts({ run, keyspace }: ScriptDeps): ModeScripts {
  return {
    async install(partition, { mode, term, period, floor, epoch }) {
      refuseForeign(floor);
      refuseNoTerm(term, period);
      const keys = [keyspace.meta(partition), keyspace.dirty(partition)];
      const [outcome, text, dirtySessions] = listIn(
        'install',
        await run('install', keys, [mode, term, period, floor, epoch]),
        3,
      );
      return {
        outcome: oneOf('install', outcome, installOutcomes),
        mode: parseMode(textIn('install', text)),
        dirtySessions: countIn('install', dirtySessions),
      };
    },

    async seal(partition, { term, database = '' }) {
      refuseNoTerm(term);
      const keys = [keyspace.meta(partition), keyspace.dirty(partition), keyspace.parked(partition)];
      const [outcome, text, sessions] = listIn('seal', await run('seal', keys, [term, database]), 3);
      return {
        outcome: oneOf('seal', outcome, sealOutcomes),
        mode: parseMode(textIn('seal', text)),
        sessions: countIn('seal', sessions),
      };
    },
  };
}

function refuseNoTerm(...terms: readonly Term[]): void {
  if (terms.every(isTerm)) return;
  throw new InvalidOptionError('A term of a writer mode is not a whole number of at most 15 digits.');
}
