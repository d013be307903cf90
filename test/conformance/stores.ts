import { migrate } from '@cauce/postgres/migrate';
import type { SessionClient, SessionClientOptions } from '@cauce/session-client';
import { createDirectSessions, createRolloutSessions } from '@cauce/session-client/postgres';
import { inject, onTestFinished } from 'vitest';
import { connectPostgres, isolatedRedis, uniqueName } from '../helpers/isolated.ts';
import { storeMode } from '../helpers/writer-mode.ts';
import { isolatedClient, type State } from '../integration/session-client/client.ts';

type Options = Pick<SessionClientOptions<State>, 'maxStateBytes' | 'schema' | 'observe'>;

/** Sessions of a test, and other clients on the same ones, as other bot processes have them. */
export interface Opened {
  readonly sessions: SessionClient<State>;
  another(options?: Options): SessionClient<State>;
  /** How far every save comes. */
  readonly durability: 'memory' | 'postgres';
}

const PARTITIONS = 4;

/** The stores that a client may have its sessions in; each keeps what `session-client.test.ts` says. */
export const stores: Readonly<Record<string, (options?: Options) => Promise<Opened>>> = {
  Redis: (options) => {
    const { sessions, another } = isolatedClient(options);
    return Promise.resolve({ sessions, another, durability: 'memory' });
  },
  PostgreSQL: async (options) => {
    const databaseUrl = inject('databaseUrl');
    const schema = uniqueName();
    await migrate({ databaseUrl, schema, table: 'session' });
    await storeMode(connectPostgres(databaseUrl), { schema, partitions: PARTITIONS, mode: 'direct' });
    const another = ({ schema: stateSchema, ...more }: Options = {}): SessionClient<State> => {
      const sessions = createDirectSessions<State>({
        ...{ databaseUrl, schema, partitions: PARTITIONS, maxConcurrent: 2 },
        ...{ stateSchema, ...more },
      });
      onTestFinished(() => sessions.close());
      return sessions;
    };
    return { sessions: another(options), another, durability: 'postgres' };
  },
  'Redis, in a rollout': (options) => inRollout('redis', options),
  'PostgreSQL, in a rollout': (options) => inRollout('direct', options),
};

async function inRollout(mode: 'redis' | 'direct', options: Options = {}): Promise<Opened> {
  const databaseUrl = inject('databaseUrl');
  const schema = uniqueName();
  await migrate({ databaseUrl, schema, table: 'session' });
  await storeMode(connectPostgres(databaseUrl), { schema, partitions: PARTITIONS, mode });
  const { keyspace, scripts } = isolatedRedis({ partitions: PARTITIONS });
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const opened = await scripts.openPartition(partition, { floor: '1', createGroup: true });
    const epoch = opened.outcome === 'mismatch' ? '' : opened.epoch;
    await scripts.install(partition, { ...{ mode, term: '1', period: '0', floor: '0' }, epoch });
  }
  const { keyPrefix } = keyspace;
  const another = (more: Options = {}): SessionClient<State> => {
    const sessions = createRolloutSessions<State>({
      ...{ redis: inject('redisUrl'), keyPrefix, partitions: PARTITIONS },
      database: { databaseUrl, schema, maxConcurrent: 2 },
      ...more,
    });
    onTestFinished(() => sessions.close());
    return sessions;
  };
  const durability = mode === 'direct' ? 'postgres' : 'memory';
  return { sessions: another(options), another, durability };
}
