import type { ChangeEvent, LocatedSession } from '@cauce/protocol';

/** A session and every event of the batch that announces it: they are settled together. */
export interface AnnouncedSession {
  readonly session: LocatedSession;
  readonly eventIds: readonly string[];
}

/** One entry a session: a statement must not touch a row twice (SQLSTATE 21000). Pure. */
export function dedupeBySession(events: readonly ChangeEvent[]): AnnouncedSession[] {
  const byKey = new Map<string, { session: LocatedSession; eventIds: string[] }>();
  for (const { id, session } of events) {
    const announced = byKey.get(session.key);
    if (announced) announced.eventIds.push(id);
    else byKey.set(session.key, { session, eventIds: [id] });
  }
  return [...byKey.values()];
}
