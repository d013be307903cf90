import type { LocatedSession, SessionRef, StoredSession } from '@cauce/protocol';
import {
  createSessionClient,
  type SessionClient,
  type SessionClientOptions,
  type SessionLoader,
} from '@cauce/session-client';
import { inject, onTestFinished } from 'vitest';
import { type IsolatedRedis, isolatedRedis } from '../../helpers/isolated.ts';
import { sessionTexts } from '../../helpers/session-hash.ts';

export interface State {
  readonly step?: string;
  readonly count?: number;
}

export interface IsolatedClient extends IsolatedRedis {
  readonly sessions: SessionClient<State>;
  /** Another client on the same sessions, as another bot process would have it. */
  another(options?: Partial<SessionClientOptions<State>>): SessionClient<State>;
  locate(userId: string): LocatedSession;
}

/** A client on sessions of its own, in the shared Redis or the one at `redis`; closed after the test. */
export function isolatedClient(
  options: Partial<SessionClientOptions<State>> & { url?: string } = {},
): IsolatedClient {
  const { url = inject('redisUrl'), ...clientOptions } = options;
  const isolated = isolatedRedis({ url });
  const { keyPrefix, partitions } = isolated.keyspace;
  const another = (more: Partial<SessionClientOptions<State>> = {}): SessionClient<State> => {
    const sessions = createSessionClient<State>({ redis: url, keyPrefix, partitions, ...more });
    onTestFinished(() => sessions.close());
    return sessions;
  };
  return {
    ...isolated,
    sessions: another(clientOptions),
    another,
    locate: (userId) => isolated.keyspace.locate({ tenantId: 'default', userId }),
  };
}

/** Makes a session clean, as the sync consumer does once PostgreSQL has it. */
export async function syncOne({ redis, scripts }: IsolatedRedis, session: LocatedSession): Promise<void> {
  const { version, event } = await sessionTexts(redis, session.key);
  const settled = { key: session.key, written: version, eventIds: event ? [event] : [] };
  await scripts.settle(session.partition, [settled], { ttlMs: 60_000, takenAtUs: '0' });
}

/** Makes a session clean and removes it: expired. */
export async function syncAndExpire(isolated: IsolatedRedis, session: LocatedSession): Promise<void> {
  await syncOne(isolated, session);
  await isolated.redis.del(session.key);
}

export function row(state: State, version = '5'): StoredSession {
  return { state: JSON.stringify(state), version, isTombstone: false };
}

export const tombstone = (version: string): StoredSession => ({ state: '', version, isTombstone: true });

/** A promise and the function that resolves it. */
export function signal<T = void>(): { readonly promise: Promise<T>; give(value: T): void } {
  let give: (value: T) => void = () => {};
  const promise = new Promise<T>((resolve) => {
    give = resolve;
  });
  return { promise, give: (value) => give(value) };
}

type Answer = (
  ref: SessionRef,
  call: number,
) => StoredSession | undefined | Promise<StoredSession | undefined>;

/** Stands for PostgreSQL where a test decides what happens while a row is being read. */
export function loaderOf(answer: Answer): SessionLoader & { readonly calls: string[][] } {
  const calls: string[][] = [];
  return {
    calls,
    load: (refs) => {
      calls.push(refs.map(({ userId }) => userId));
      return Promise.all(refs.map(async (ref) => answer(ref, calls.length)));
    },
  };
}
