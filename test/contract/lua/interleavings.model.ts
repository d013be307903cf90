import { compareVersions, type LocatedSession, SYNC_GROUP, type TakenSession } from '@cauce/protocol';
import { expect } from 'vitest';
import { type Delivered, PARTITION, parkedRecord, TTL_MS, type World } from './world.ts';

/** One step of an interleaving; `who` is a session or a consumer. */
export type Step =
  | { readonly do: 'save' | 'replay' | 'delete' | 'park' | 'parkForLater' | 'reissue'; readonly who: number }
  | { readonly do: 'read' | 'claim' | 'take' | 'settle' | 'deleteConsumer'; readonly who: number }
  /** Read and take, or claim and take: the states are in the consumer's hands for some time. */
  | { readonly do: 'begin' | 'takeOver'; readonly who: number }
  | { readonly do: 'sweep' | 'trim' | 'deleteStream' | 'recreateGroup' | 'recreateGroupAtEnd' };

/** What the reference model knows of a session. */
interface Modelled {
  readonly session: LocatedSession;
  version: string;
  isDirty: boolean;
  /** The newest version a consumer committed. */
  inPostgres: string;
  lastOpId: string;
  isHeldBack: boolean;
}

/** A consumer between reading and settling; it may have been dead for a while (a zombie). */
interface Consumer {
  readonly name: string;
  hand: Delivered[];
  taken: Map<string, TakenSession>;
  takenAtUs: string;
}

/** The scripts on a real Redis next to a model of what they promise. */
export class Interleaving {
  readonly world: World;
  readonly sessions: Modelled[];
  readonly consumers: Consumer[];
  /** Every `script: outcome` that occurred: a property that never met a zombie proves nothing about one. */
  readonly outcomes: Set<string>;
  private opId = 0;

  constructor(world: World, sessionCount: number, outcomes: Set<string>) {
    this.world = world;
    this.outcomes = outcomes;
    this.sessions = Array.from({ length: sessionCount }, (_, i) => ({
      session: world.session(`user${i}`),
      version: '0',
      isDirty: false,
      inPostgres: '0',
      lastOpId: '',
      isHeldBack: false,
    }));
    this.consumers = ['c0', 'c1'].map((name) => ({ name, hand: [], taken: new Map(), takenAtUs: '1' }));
  }

  async perform(step: Step): Promise<void> {
    const { redis, keyspace, scripts } = this.world;
    const changes = keyspace.changes(PARTITION);
    const session = this.sessions['who' in step ? step.who % this.sessions.length : 0] ?? expect.fail();
    const consumer = this.consumers['who' in step ? step.who % this.consumers.length : 0] ?? expect.fail();
    switch (step.do) {
      case 'save':
      case 'delete':
        return this.save(session, step.do === 'delete');
      case 'replay':
        return this.replay(session);
      case 'read':
        consumer.hand.push(...(await this.world.read(consumer.name)));
        return;
      case 'claim': {
        const claimed = (await redis.xautoclaim(changes, SYNC_GROUP, consumer.name, 0, '0')) as [
          string,
          [string, string[]][],
        ];
        consumer.hand.push(...claimed[1].map(([id, fields]) => ({ id, key: fields[1] ?? '' })));
        return;
      }
      case 'begin':
      case 'takeOver':
        await this.perform({ do: step.do === 'begin' ? 'read' : 'claim', who: step.who });
        return this.take(consumer);
      case 'take':
        return this.take(consumer);
      case 'settle':
        return this.settle(consumer);
      case 'park':
      case 'parkForLater':
        return this.park(session, consumer, step.do === 'parkForLater');
      case 'reissue': {
        const outcome = await scripts.reissue(session.session, {
          expectedVersion: session.version,
          isDirty: false,
          floor: '0',
        });
        expect(outcome).toBe(session.isDirty || session.version === '0' ? 'superseded' : 'reissued');
        this.outcomes.add(`reissue: ${outcome}`);
        if (outcome === 'reissued')
          this.saved(session, (await this.world.fields(session.session)).version ?? '');
        return;
      }
      case 'sweep':
        return this.sweep();
      case 'trim':
        await redis.xtrim(changes, 'MAXLEN', 1);
        return;
      case 'deleteStream': {
        await redis.del(changes);
        // A new stream in the same millisecond could give a lost event's id to another session's.
        const [seconds, micros] = (await redis.time()).map(Number) as [number, number];
        const nextMs = Math.floor(micros / 1000) + 1;
        for (let now = [seconds, micros]; ; now = (await redis.time()).map(Number)) {
          if (now[0] !== seconds || Math.floor((now[1] ?? 0) / 1000) >= nextMs) break;
        }
        return this.world.open();
      }
      case 'recreateGroup':
        await redis.xgroup('DESTROY', changes, SYNC_GROUP);
        return this.world.open();
      case 'recreateGroupAtEnd':
        await redis.xgroup('DESTROY', changes, SYNC_GROUP);
        await redis.xgroup('CREATE', changes, SYNC_GROUP, '$');
        return;
      case 'deleteConsumer':
        await redis.xgroup('DELCONSUMER', changes, SYNC_GROUP, consumer.name);
        return;
    }
  }

  private async save(session: Modelled, isTombstone: boolean): Promise<void> {
    session.lastOpId = `op${this.opId++}`;
    const state = isTombstone ? '' : JSON.stringify(session.lastOpId);
    const reply = await this.world.trySave(session.session, { state, isTombstone, opId: session.lastOpId });
    if (reply.outcome !== 'saved') expect.fail(reply.outcome);
    this.saved(session, reply.version);
  }

  private saved(session: Modelled, version: string): void {
    expect(compareVersions(version, session.version), 'versions grow').toBeGreaterThan(0);
    session.version = version;
    session.isDirty = true;
  }

  private async replay(session: Modelled): Promise<void> {
    if (session.lastOpId === '') return;
    const before = await this.world.fields(session.session);
    const reply = await this.world.trySave(session.session, { opId: session.lastOpId });
    expect(reply.outcome).toBe('replayed');
    expect(await this.world.fields(session.session)).toEqual(before);
  }

  private async take(consumer: Consumer): Promise<void> {
    const keys = [...new Set(consumer.hand.map(({ key }) => key))];
    const { taken, takenAtUs } = await this.world.scripts.take(PARTITION, keys);
    consumer.takenAtUs = takenAtUs;
    for (const [i, key] of keys.entries()) {
      const entry = taken[i] ?? expect.fail();
      const session = this.modelOf(key);
      expect(entry).toMatchObject(
        session.isDirty ? { outcome: 'dirty', version: session.version } : { outcome: 'clean' },
      );
      consumer.taken.set(key, entry);
    }
  }

  /** Commits what was taken, however long ago, and settles it. */
  private async settle(consumer: Consumer): Promise<void> {
    const keys = [...new Set(consumer.hand.map(({ key }) => key))];
    const settled = keys.map((key) => {
      const entry = consumer.taken.get(key);
      const written = entry?.outcome === 'dirty' ? entry.version : undefined;
      const session = this.modelOf(key);
      if (written !== undefined && compareVersions(written, session.inPostgres) > 0)
        session.inPostgres = written;
      const eventIds = consumer.hand.filter((event) => event.key === key).map(({ id }) => id);
      return { key, written, eventIds };
    });
    const outcomes = await this.world.scripts.settle(PARTITION, settled, {
      ttlMs: TTL_MS,
      takenAtUs: consumer.takenAtUs,
    });
    for (const [i, { key, written }] of settled.entries()) {
      const session = this.modelOf(key);
      if (session.isDirty && written === session.version) {
        session.isDirty = false;
        session.isHeldBack = false;
      }
      expect(outcomes[i]).toBe(session.isDirty ? 'dirty' : 'clean');
      const isZombie = written !== undefined && compareVersions(written, session.inPostgres) < 0;
      this.outcomes.add(`settle${isZombie ? ' of a zombie' : ''}: ${outcomes[i]}`);
    }
    consumer.hand = [];
    consumer.taken.clear();
  }

  private async park(session: Modelled, consumer: Consumer, forLater: boolean): Promise<void> {
    const { key } = session.session;
    const entry = consumer.taken.get(key);
    if (entry?.outcome !== 'dirty') return;
    const { version } = entry;
    const outcome = await this.world.scripts.park(session.session, {
      version,
      record: parkedRecord(version, Date.now() + (forLater ? 3_600_000 : -1)),
      eventIds: consumer.hand.filter((event) => event.key === key).map(({ id }) => id),
    });
    const isCurrent = version === session.version;
    expect(outcome).toBe(session.isDirty ? (isCurrent ? 'parked' : 'superseded') : 'gone');
    this.outcomes.add(`park: ${outcome}`);
    if (outcome === 'parked') session.isHeldBack = forLater;
    consumer.hand = consumer.hand.filter((event) => event.key !== key);
    consumer.taken.delete(key);
  }

  private async sweep(): Promise<void> {
    const keys = await this.world.redis.zrange(this.world.keyspace.dirty(PARTITION), '0', '-1');
    const outcomes = await this.world.scripts.sweep(PARTITION, keys);
    const reachable = await this.reachable();
    for (const [i, key] of keys.entries()) {
      const session = this.modelOf(key);
      const will = reachable.get(key) ?? 0;
      this.outcomes.add(`sweep: ${outcomes[i]}`);
      if (outcomes[i] === 'parked') expect(session.isHeldBack, 'held back').toBe(true);
      else expect(will, `an event of ${key} will arrive (${outcomes[i]})`).toBe(1);
    }
  }

  /** Until nothing waits: whatever happened, every session ends in PostgreSQL as it was saved last. */
  async drain(): Promise<void> {
    for (let round = 0; round < 3; round++) {
      const keys = await this.world.redis.zrange(this.world.keyspace.dirty(PARTITION), '0', '-1');
      if (keys.length === 0) break;
      await this.world.scripts.sweep(PARTITION, keys, { ignoreRetryAt: true });
      for (const action of ['claim', 'read', 'take', 'settle'] as const)
        await this.perform({ do: action, who: 0 });
      await this.check();
    }
    // Takes what was trimmed while it was pending off the list.
    await this.perform({ do: 'claim', who: 0 });
    for (const { session, isDirty, version, inPostgres } of this.sessions) {
      expect({ key: session.key, isDirty, inPostgres }).toEqual({
        key: session.key,
        isDirty: false,
        inPostgres: version,
      });
    }
    expect([await this.world.announced(), await this.world.pending()]).toEqual([[], 0]);
    expect(await this.world.redis.exists(this.world.keyspace.parked(PARTITION))).toBe(0);
  }

  /** What holds after every step. */
  async check(): Promise<void> {
    const { redis, keyspace } = this.world;
    const saved = this.sessions.filter(({ version }) => version !== '0');
    // Sent together: one round trip a step.
    const [announced, ...stored] = await Promise.all([
      this.world.announced(),
      ...saved.map(({ session }) =>
        Promise.all([
          this.world.fields(session),
          redis.pttl(session.key),
          redis.zscore(keyspace.dirty(PARTITION), session.key),
        ]),
      ),
    ]);
    const dirtyCount = this.sessions.filter(({ isDirty }) => isDirty).length;
    expect(announced.length, 'P8 events').toBeLessThanOrEqual(dirtyCount);
    expect(new Set(announced).size, 'P8 one event a session').toBe(announced.length);
    for (const [i, { version, isDirty, inPostgres }] of saved.entries()) {
      const [fields, ttl, since] = stored[i] ?? expect.fail();
      expect(fields).toMatchObject({ version: version, dirty: isDirty ? '1' : '0' });
      expect(ttl === -1, isDirty ? 'P2 dirty: no TTL' : 'P2 clean: a TTL').toBe(isDirty);
      expect(since !== null, isDirty ? 'P4 dirty: indexed' : 'clean: not indexed').toBe(isDirty);
      if (!isDirty) expect(inPostgres, 'P2 clean: PostgreSQL has it').toBe(version);
    }
  }

  /** How many events of each session a reader or a claimer of the group will get. */
  private async reachable(): Promise<Map<string, number>> {
    const { redis, keyspace } = this.world;
    const changes = keyspace.changes(PARTITION);
    const [group] = (await redis.xinfo('GROUPS', changes)) as unknown[][];
    const lastDelivered = String(group?.[(group?.indexOf('last-delivered-id') ?? -2) + 1]);
    const unread = await redis.xrange(changes, `(${lastDelivered}`, '+');
    const pendingIds = ((await redis.xpending(changes, SYNC_GROUP, '-', '+', 100)) as [string][]).map(
      ([id]) => id,
    );
    const all = await redis.xrange(changes, '-', '+');
    const pending = all.filter(([id]) => pendingIds.includes(id));
    const counts = new Map<string, number>();
    for (const [, fields] of [...unread, ...pending]) {
      counts.set(fields[1] ?? '', (counts.get(fields[1] ?? '') ?? 0) + 1);
    }
    return counts;
  }

  private modelOf(key: string): Modelled {
    return this.sessions.find(({ session }) => session.key === key) ?? expect.fail(`no session ${key}`);
  }
}
