// What maxmemory does under a volatile policy, all the time and at random: sessions that are clean disappear.
// A session that is loaded, saved, synced and evicted again within one restore is what leases are for.
import { setTimeout as delay } from 'node:timers/promises';
import { livelySessions, PARTITIONS, refOf } from './sessions.ts';
import type { World } from './world.ts';

const EVERY_MS = 30;
const SHARE = 0.3;
const EVICT_CLEAN = `
  local evicted = 0
  for _, session in ipairs(KEYS) do
    if string.find(redis.call('HGET', session, 'm') or '', '^%d+ 0') then evicted = evicted + redis.call('DEL', session) end
  end
  return evicted`;

/** Until the signal is aborted. */
export async function evict(
  { admin, keyspace, see }: World,
  { startedUs, signal }: { readonly startedUs: number; readonly signal: AbortSignal },
): Promise<void> {
  while (!signal.aborted) {
    const victims = livelySessions(startedUs)
      .filter(() => Math.random() < SHARE)
      .map((session) => keyspace.locate(refOf(session)));
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const keys = victims.filter((session) => session.partition === partition).map(({ key }) => key);
      if (keys.length === 0) continue;
      const evicted = await admin.eval(EVICT_CLEAN, keys.length, ...keys).catch(() => 0);
      see('clean sessions evicted', Number(evicted));
    }
    await delay(EVERY_MS);
  }
}
