import type { StreamEntry } from '../redis/replies.ts';
import type { Keyspace, LocatedSession } from './keyspace.ts';

/**
 * An entry of a changes stream: it says which session changed and nothing else. The state is read when the
 * event is handled, so however often a session is saved, one event and the newest state travel.
 */
export interface ChangeEvent {
  /** Id of the stream entry. */
  readonly id: string;
  readonly session: LocatedSession;
}

export type DecodedEvent =
  | { readonly ok: true; readonly event: ChangeEvent }
  | { readonly ok: false; readonly id: string };

/** Field of the entry that holds the session's key; `save.lua` writes it. */
const KEY_FIELD = 'k';

/** Never throws: an entry of another program is reported. */
export function decodeEvent(keyspace: Keyspace, partition: number, [id, fields]: StreamEntry): DecodedEvent {
  const at = fields?.indexOf(KEY_FIELD) ?? -1;
  const session = at % 2 === 0 ? keyspace.parse(fields?.[at + 1] ?? '') : undefined;
  return session?.partition === partition ? { ok: true, event: { id, session } } : { ok: false, id };
}
