// What somebody with a Redis client may do to what the fleets share.
import { listIn, pairsIn, type RedisConnection, SESSION_FIELDS, sessionIn, textIn } from '@cauce/protocol';
import { between } from '../random.ts';
import { KEY_PREFIX, livelySessions, PARTITIONS, refOf } from '../sessions.ts';
import { type Fault, type FaultContext, onRedis } from './fault.ts';

export const keyFaults: readonly Fault[] = [
  { name: 'SCRIPT FLUSH', weight: 2, target: onRedis, strike: flushScripts },
  {
    name: 'XGROUP DESTROY',
    weight: 1,
    target: onRedis,
    strike: onStream((admin, key) => admin.xgroup('DESTROY', key, 'sync').catch(ignoreMissing)),
  },
  { name: 'DEL of a stream', weight: 1, target: onRedis, strike: onStream((admin, key) => admin.del(key)) },
  {
    name: 'XTRIM',
    weight: 2,
    target: onRedis,
    strike: onStream((admin, key) => admin.xtrim(key, 'MAXLEN', 0)),
  },
  { name: 'XGROUP DELCONSUMER', weight: 2, target: onRedis, strike: deleteConsumers },
  { name: 'clock stepped back', weight: 2, target: onRedis, strike: stepClockBack },
];

async function flushScripts({ world }: FaultContext): Promise<void> {
  await world.store.flushScripts();
}

function onStream(spoil: (admin: RedisConnection, key: string) => Promise<unknown>) {
  return async ({ world, random }: FaultContext): Promise<void> => {
    await spoil(world.admin, `${KEY_PREFIX}:{${between(random, 0, PARTITIONS - 1)}}:changes`);
  };
}

/** Entries that were pending for them are in nobody's list from now on. */
async function deleteConsumers({ world }: FaultContext): Promise<void> {
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const key = `${KEY_PREFIX}:{${partition}}:changes`;
    const reply = await world.admin.xinfo('CONSUMERS', key, 'sync').catch(() => []);
    for (const consumer of listIn('xinfo', reply)) {
      const name = textIn('xinfo', pairsIn('xinfo', consumer).get('name'));
      await world.admin.xgroup('DELCONSUMER', key, 'sync', name);
    }
  }
}

/**
 * Versions ten minutes ahead of the clock are what a clock leaves behind that was stepped back. The partition's dirty
 * sessions get such a version, as if they had been saved a moment before the step.
 */
async function stepClockBack({ world, random }: FaultContext): Promise<void> {
  const { admin, keyspace, history } = world;
  const partition = between(random, 0, PARTITIONS - 1);
  const moved: { readonly key: string; readonly version: string }[] = [];
  for (const session of livelySessions(world.startedUs).map((key) => keyspace.locate(refOf(key)))) {
    if (session.partition !== partition) continue;
    const held = sessionIn('read', await admin.hmget(session.key, ...SESSION_FIELDS));
    if (held.kind !== 'session' || !held.isDirty || held.state === '') continue;
    // Before it happens: the state may be seen with another version from now on.
    history.again({ n: JSON.parse(held.state).n });
    moved.push({ key: session.key, version: held.version });
  }
  const keys = [keyspace.meta(partition), ...moved.map(({ key }) => key)];
  const count = await admin.eval(STEP_AHEAD, keys.length, ...keys, ...moved.map(({ version }) => version));
  // A replica that is promoted without it would be ten minutes behind: that is another fault.
  await world.store.untilReplicated(partition);
  world.see('sessions saved ahead of the clock', Number(count));
}

const STEP_AHEAD = `
  local time, moved = redis.call('TIME'), 0
  local floor = tonumber(redis.call('HGET', KEYS[1], 'floor') or '0')
  local ahead = math.max(time[1] * 1000000 + time[2], floor) + 600000000
  for i = 2, #KEYS do
    local version, rest = string.match(redis.call('HGET', KEYS[i], 'm') or '', '^(%d+)( 1.*)$')
    if version == ARGV[i - 1] then
      ahead, moved = ahead + 1, moved + 1
      redis.call('HSET', KEYS[i], 'm', string.format('%.0f', ahead) .. rest)
    end
  end
  redis.call('HSET', KEYS[1], 'floor', string.format('%.0f', ahead))
  return moved`;

/** There is no stream before the first save, and after somebody deleted it. */
function ignoreMissing(error: Error): void {
  if (!error.message.includes('requires the key to exist')) throw error;
}
