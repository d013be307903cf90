import {
  type Lease,
  type LocatedSession,
  type SaveReply,
  type Scripts,
  SESSION_HASH,
  SYNC_GROUP,
  type TakenSession,
} from '@cauce/protocol';
import { expect } from 'vitest';
import { type IsolatedRedis, isolatedRedis, uniqueName } from '../../helpers/isolated.ts';
import { rewriteSession, type SessionTexts, sessionTexts } from '../../helpers/session-hash.ts';

/** The only partition of a {@link World}. */
export const PARTITION = 0;
export const TTL_MS = 60_000;
export const HOUR_US = 3_600_000_000n;

/** What XREADGROUP delivered. */
export interface Delivered {
  readonly id: string;
  readonly key: string;
}

/** One partition of its own on a real Redis, and short words for what tests do to it. */
export interface World extends IsolatedRedis {
  session(userId?: string): LocatedSession;
  /** Opens the partition with its consumer group. */
  open(): Promise<void>;
  /** Saves with a fresh op id and returns the version; fails the test when it is not saved. */
  save(session: LocatedSession, state?: string): Promise<string>;
  /** Throws what Redis refused it with. */
  trySave(session: LocatedSession, call?: Partial<SaveOptions>): Promise<AnsweredSave>;
  /** Reads new events as a consumer; they are pending for it afterwards. */
  read(consumer?: string): Promise<Delivered[]>;
  takeOne(session: LocatedSession): Promise<TakenSession>;
  /** As a consumer whose write of `written` was committed. */
  settleOne(session: LocatedSession, written: string | undefined, eventIds?: string[]): Promise<string>;
  /** Empty when there is no session. */
  fields(session: LocatedSession): Promise<Partial<SessionTexts>>;
  /** Changes a session by hand. */
  rewrite(session: LocatedSession, changes: Partial<SessionTexts>): Promise<void>;
  leaseOf(session: LocatedSession): Promise<Lease | null>;
  /** What `meta` has: no version above it was issued. */
  floor(): Promise<string | null>;
  setFloor(floor: string): Promise<void>;
  /** The key of every event in the stream, oldest first. */
  announced(): Promise<string[]>;
  pending(): Promise<number>;
}

export type AnsweredSave = Exclude<SaveReply, { outcome: 'failed' }>;

interface SaveOptions {
  readonly state: string;
  readonly isTombstone: boolean;
  readonly opId: string;
  readonly ifVersion: string;
  readonly epoch: string;
  readonly lease: string;
  readonly maxBytes: number;
}

/** In a keyspace of its own, on the shared Redis, on the one at `url`, or where it is told. */
export function createWorld(where: { url?: string } | IsolatedRedis = {}): World {
  const isolated = 'redis' in where ? where : isolatedRedis({ ...where, partitions: 1 });
  const { redis, keyspace, scripts } = isolated;
  const changes = keyspace.changes(PARTITION);
  const world: World = {
    ...isolated,
    session: (userId = 'ana') => keyspace.locate({ tenantId: 'acme', userId }),
    async open() {
      await scripts.openPartition(PARTITION, { floor: '0', createGroup: true });
    },
    async save(session, state = '{"step":1}') {
      const reply = await world.trySave(session, { state });
      if (reply.outcome !== 'saved') expect.fail(`not saved: ${reply.outcome}`);
      return reply.version;
    },
    trySave: (session, call) => saveOne(scripts, session, { opId: uniqueName(), ...call }),
    async read(consumer = 'c1') {
      const reply = (await redis.xreadgroup(
        ...(['GROUP', SYNC_GROUP, consumer, 'COUNT', 500, 'STREAMS', changes, '>'] as const),
      )) as [string, [string, string[]][]][] | null;
      return (reply?.[0]?.[1] ?? []).map(([id, fields]) => ({ id, key: fields[1] ?? '' }));
    },
    async takeOne(session) {
      const { taken } = await scripts.take(PARTITION, [session.key]);
      return taken[0] ?? expect.fail('take answered nothing');
    },
    async settleOne(session, written, eventIds = []) {
      const { takenAtUs } = await scripts.take(PARTITION, []);
      const settled = await scripts.settle(PARTITION, [{ key: session.key, written, eventIds }], {
        ttlMs: TTL_MS,
        takenAtUs,
      });
      return settled[0] ?? expect.fail('settle answered nothing');
    },
    fields: ({ key }) => sessionTexts(redis, key),
    rewrite: ({ key }, changes) => rewriteSession(redis, key, changes),
    leaseOf: ({ key }) => redis.hget(key, SESSION_HASH.lease),
    floor: () => redis.hget(keyspace.meta(PARTITION), 'floor'),
    async setFloor(floor) {
      await redis.hset(keyspace.meta(PARTITION), 'floor', floor);
    },
    announced: async () => (await redis.xrange(changes, '-', '+')).map(([, fields]) => fields[1] ?? ''),
    async pending() {
      const [count] = (await redis.xpending(changes, SYNC_GROUP)) as [number];
      return count;
    },
  };
  return world;
}

/** A call of the script with one save. */
export async function saveOne(
  scripts: Pick<Scripts, 'save'>,
  session: LocatedSession,
  { maxBytes = 1024 * 1024, ...save }: Partial<SaveOptions> & { opId: string },
): Promise<AnsweredSave> {
  const calls = [{ session, state: '{"step":1}', isTombstone: false, ...save }];
  const [reply = expect.fail('save answered nothing')] = await scripts.save(calls, { maxBytes });
  if (reply.outcome === 'failed') throw reply.error;
  return reply;
}

/** As a load that found no session in Redis; gives its lease. */
export async function missedSession(world: World, session: LocatedSession, token = 'mine'): Promise<Lease> {
  const reply = await world.scripts.lease(session, { token, leaseTtlMs: TTL_MS });
  return reply.outcome === 'miss' ? reply.lease : expect.fail('the session is there');
}

/** The texts of a session that was put into Redis from a row: clean, and nothing else is known of it. */
export function textsOfRow({ state, version }: { state: string; version: string }): SessionTexts {
  return {
    ...{ state, version, dirty: '0', tombstone: '0' },
    ...{ event: '', operations: '', savedIn: '', confirmedIn: '', expiresAtMs: '' },
  };
}

/** A session saved, synced and settled: clean, with a TTL. Returns its version. */
export async function cleanSession(world: World, session: LocatedSession): Promise<string> {
  const version = await world.save(session);
  const events = await world.read();
  await world.settleOne(
    session,
    version,
    events.filter(({ key }) => key === session.key).map(({ id }) => id),
  );
  return version;
}

/** A session saved, synced and parked. Returns its version. */
export async function parkedSession(
  world: World,
  session: LocatedSession,
  retryAtMs = Date.now() + 3_600_000,
): Promise<string> {
  const version = await world.save(session);
  const events = await world.read();
  await world.scripts.park(session, {
    version,
    record: parkedRecord(version, retryAtMs),
    eventIds: events.filter(({ key }) => key === session.key).map(({ id }) => id),
  });
  return version;
}

export function parkedRecord(version: string, retryAtMs: number) {
  return { version, sqlState: '22P02', attempts: 1, firstSeenMs: 1, lastSeenMs: 2, retryAtMs };
}

/** A version as far in the future as a clock that was stepped back by one hour leaves behind. */
export function versionInOneHour(): string {
  return String(BigInt(Date.now()) * 1000n + HOUR_US);
}
