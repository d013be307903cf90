// Many sessions that are saved all at once: more than a breaker lets be parked.
import { createSessionClient, isCauceError, SaveUnknownError } from '@cauce/session-client';
import { makeState } from './session-state.mjs';
import { crowdSessions, KEY_PREFIX, PARTITIONS, refOf } from './sessions.mjs';

export async function saveCrowd({ redis, proxies, history }) {
  const client = createSessionClient({
    redis: proxies.bots.redis.urlFor(redis.url),
    keyPrefix: KEY_PREFIX,
    partitions: PARTITIONS,
    sessionTtlSeconds: 1,
    commandTimeoutMs: 2000,
  });
  try {
    await Promise.all(crowdSessions().map((key) => save(client, history, key)));
  } finally {
    await client.close();
  }
}

async function save(client, history, key) {
  const call = { op: 'save', key, n: history.nextName() };
  history.call(call);
  try {
    const { version } = await client.saveUserState(
      refOf(key),
      makeState({ n: call.n, counter: 0, base: null }),
    );
    history.done({ ...call, outcome: 'ok', version });
  } catch (error) {
    if (!isCauceError(error)) throw error;
    const outcome = error instanceof SaveUnknownError ? 'unknown' : 'fail';
    history.done({ ...call, outcome, code: error.code });
  }
}
