import { RedisError } from '../../redis/failure.ts';
import { listIn, oneOf, textIn, understood } from '../../redis/replies.ts';
import type { LocatedSession } from '../keyspace.ts';
import { ABSENT_VERSION, isVersion, type Version } from '../version.ts';
import { type ClosedMode, closedModes, isTerm, NO_PERIOD, type Term } from '../writer-mode.ts';
import { MAX_SCRIPT_SESSIONS, refuseOversize } from './arguments.ts';
import { parted } from './parted.ts';
import { type Argument, type ScriptDeps, scriptFailure } from './run-script.ts';
import type { Epoch, Lease } from './stored-session.ts';

export interface SaveCall {
  readonly session: LocatedSession;
  /** JSON text; '' for a tombstone. */
  readonly state: string;
  readonly isTombstone: boolean;
  readonly opId: string;
  /**
   * Save only over this version; '0' = only if absent, which needs a `lease`; '*' = over any, and if absent with a `lease`;
   * undefined = always.
   */
  readonly ifVersion?: Version | undefined;
  /** In which that version was loaded; undefined = not known. */
  readonly epoch?: Epoch | undefined;
  /** Under which no session was found; a conflict if it is gone. */
  readonly lease?: Lease | undefined;
}

export interface SaveLimits {
  /** The largest state accepted. */
  readonly maxBytes: number;
  /** What a tenant may have in one partition that PostgreSQL does not have; undefined = it is not counted. */
  readonly budgetBytes?: number | undefined;
}

export type SaveReply =
  /** `period`: of the writer mode, '0' = none is stored. */
  | { readonly outcome: 'saved' | 'replayed'; readonly version: Version; readonly period: Term }
  | { readonly outcome: 'conflict'; readonly version: Version }
  /** Nothing was written: the writer mode of the partition is not `redis`. */
  | { readonly outcome: 'moved'; readonly mode: ClosedMode; readonly term: Term }
  | { readonly outcome: 'too_large'; readonly bytes: number }
  /** The tenant has so much in the partition that PostgreSQL does not have. */
  | { readonly outcome: 'over_budget'; readonly bytes: number }
  /** Redis refused it, and nothing was changed; or its answer is none that the script gives, and that is not known. */
  | { readonly outcome: 'failed'; readonly error: RedisError };

export interface SaveScript {
  /** One reply a save, in order. At most {@link MAX_SCRIPT_SESSIONS} saves; in a cluster of one partition. */
  save(saves: readonly SaveCall[], call: SaveLimits): Promise<SaveReply[]>;
}

export function saveScript({ run, keyspace }: ScriptDeps): SaveScript {
  return {
    async save(saves, { maxBytes, budgetBytes }) {
      refuseOversize(saves.length);
      const keys: string[] = [];
      const args: Argument[] = [maxBytes, budgetBytes ?? ''];
      for (const { session, state, opId, ifVersion, epoch, lease } of saves) {
        const { partition, key } = session;
        keys.push(key, keyspace.changes(partition), keyspace.dirty(partition), keyspace.meta(partition));
        if (budgetBytes !== undefined) keys.push(keyspace.unsynced(partition));
        args.push(ifVersion === undefined ? opId : `${opId} ${ifVersion} ${lease ?? epoch ?? ''}`, state);
      }
      const reply = textIn('save', await run('save', keys, args));
      return listIn('save', reply.split('\n'), saves.length).map(saveReplyOrFailure);
    },
  };
}

function saveReply(line: unknown): SaveReply {
  const [word, value] = parted(textIn('save', line));
  const outcome = oneOf('save', word, [
    'saved',
    'replayed',
    'conflict',
    'moved',
    'too_large',
    'over_budget',
    'failed',
  ]);
  if (outcome === 'failed') {
    const refusal = Object.assign(new Error(value), { name: 'ReplyError' });
    return { outcome, error: scriptFailure('save', refusal) };
  }
  if (outcome === 'too_large' || outcome === 'over_budget') {
    return { outcome, bytes: understood('save', /^\d+$/.test(value) ? Number(value) : undefined) };
  }
  if (outcome === 'conflict') {
    const isRight = isVersion(value) || value === ABSENT_VERSION;
    return { outcome, version: understood('save', isRight ? value : undefined) };
  }
  const [first, second] = parted(value);
  if (outcome === 'moved') return { outcome, mode: oneOf('save', first, closedModes), term: termIn(second) };
  const version = understood('save', isVersion(first) ? first : undefined);
  return { outcome, version, period: second === '' ? NO_PERIOD : termIn(second) };
}

function termIn(text: string): Term {
  return understood('save', isTerm(text) ? text : undefined);
}

/** The answer to one save of a call says nothing about the others. */
function saveReplyOrFailure(line: unknown): SaveReply {
  try {
    return saveReply(line);
  } catch (error) {
    if (error instanceof RedisError) return { outcome: 'failed', error };
    throw error;
  }
}
