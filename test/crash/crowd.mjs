// Many sessions that are saved all at once: more than a breaker lets be parked.
import { randomBytes } from 'node:crypto';
import { hashState, recordHistory } from '@cauce/history';
import { createSessionClient, isCauceError } from '@cauce/session-client';
import { makeState } from './session-state.mjs';
import { crowdSessions, KEY_PREFIX, PARTITIONS, refOf } from './sessions.mjs';

export async function saveCrowd({ redis, proxies, history, historyFile }) {
  const proc = `crowd-${randomBytes(4).toString('hex')}`;
  const client = recordHistory(
    createSessionClient({
      redis: proxies.bots.redis.urlFor(redis.url),
      keyPrefix: KEY_PREFIX,
      partitions: PARTITIONS,
      sessionTtlSeconds: 1,
      commandTimeoutMs: 2000,
    }),
    { file: historyFile, proc },
  );
  const save = async (key, i) => {
    const state = makeState({ n: `${proc}-${i}`, counter: 0, base: null });
    history.made({ n: state.n, state: hashState(state) });
    try {
      await client.saveUserState(refOf(key), state);
    } catch (error) {
      if (!isCauceError(error)) throw error;
    }
  };
  try {
    await Promise.all(crowdSessions().map(save));
  } finally {
    await client.close();
  }
}
