import { expect, it } from 'vitest';
import { isolatedClient, syncAndExpire } from './client.ts';

it('an update whose session expires meanwhile loads it again', async () => {
  const client = isolatedClient();
  const { sessions, locate } = client;
  await sessions.saveUserState('ana', { count: 1 });
  const seen: unknown[] = [];
  await sessions.updateUserState('ana', async (state) => {
    seen.push(state);
    if (seen.length === 1) await syncAndExpire(client, locate('ana'));
    return { count: 2 };
  });
  expect(seen).toEqual([{ count: 1 }, undefined]);
});
