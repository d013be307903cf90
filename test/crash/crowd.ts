// Many sessions that are saved all at once: more than a breaker lets be parked.
import { hashState, recordHistory } from '@cauce/history';
import { createSessionClient, isCauceError, type SessionClient } from '@cauce/session-client';
import { makeState } from './session-state.ts';
import { crowdSessions, KEY_PREFIX, PARTITIONS, refOf } from './sessions.ts';
import type { World } from './world.ts';

/** Not two states of a run are the same. */
export async function saveCrowd({ store, history, historyFile }: World, name: string): Promise<void> {
  const client = recordHistory(
    createSessionClient({
      redis: store.urlFor('bots'),
      keyPrefix: KEY_PREFIX,
      partitions: PARTITIONS,
      sessionTtlSeconds: 1,
      commandTimeoutMs: 2000,
    }),
    { file: historyFile, proc: 'crowd' },
  );
  try {
    await Promise.all(crowdSessions().map((key) => save(client, history, { key, n: `${name}-${key}` })));
  } finally {
    await client.close();
  }
}

async function save(
  client: SessionClient<unknown>,
  history: World['history'],
  { key, n }: { readonly key: string; readonly n: string },
): Promise<void> {
  const state = makeState({ n, counter: 0, base: null });
  history.made({ n, state: hashState(state) });
  try {
    await client.saveUserState(refOf(key), state);
  } catch (error) {
    if (!isCauceError(error)) throw error;
  }
}
