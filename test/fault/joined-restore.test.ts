import type { SessionLoader, StoredSession } from '@cauce/session-client';
import { expect, onTestFinished, test } from 'vitest';
import { connectRedis } from '../helpers/isolated.ts';
import { ownRedis } from '../helpers/own-servers.ts';
import { isolatedClient, row, signal, syncAndExpire } from '../integration/session-client/client.ts';

/** Answers the first question when the test says so, with what the row was when it was asked; later ones at once. */
function slowLoader(rows: { newest: StoredSession }) {
  const isAsked = signal();
  const mayAnswer = signal();
  const loader: SessionLoader = {
    async load() {
      const found = rows.newest;
      isAsked.give();
      await mayAnswer.promise;
      return [found];
    },
  };
  return { loader, isAsked, mayAnswer };
}

test('a load that joins a restore made without a lease returns no row from before the load (P5)', async () => {
  const server = await ownRedis();
  const admin = connectRedis(server.url);
  onTestFinished(() => admin.config('SET', 'maxmemory', '0').then(() => {}));
  const rows = { newest: row({ step: 'old' }) };
  const { loader, isAsked, mayAnswer } = slowLoader(rows);
  const client = isolatedClient({ url: server.url, loader });
  const { sessions, another, locate } = client;
  const other = another();
  await other.saveUserState('warm-up', {});
  await sessions.saveUserState('warm-up', {});

  // Memory is full: the lease is refused, so the row is served without any.
  await admin.config('SET', 'maxmemory', '1');
  const first = sessions.getUserState('ana');
  await isAsked.promise;
  await admin.config('SET', 'maxmemory', '0');

  const { version } = await other.saveUserState('ana', { step: 'new' });
  rows.newest = row({ step: 'new' }, version);
  await syncAndExpire(client, locate('ana'));

  const second = sessions.getUserState('ana');
  // Its miss comes before the first one's answer.
  await sessions.getUserState('warm-up');
  mayAnswer.give();
  expect(await first).toEqual({ step: 'old' });
  expect(await second).toEqual({ step: 'new' });
});

test('a load that joins a restore whose lease is gone returns no row from before the load (P5)', async () => {
  const rows = { newest: row({ step: 'old' }) };
  const { loader, isAsked, mayAnswer } = slowLoader(rows);
  const client = isolatedClient({ loader });
  const { sessions, another, locate } = client;
  const first = sessions.getUserState('ana');
  await isAsked.promise;
  const { version } = await another().saveUserState('ana', { step: 'new' });
  rows.newest = row({ step: 'new' }, version);
  await syncAndExpire(client, locate('ana'));
  const second = sessions.getUserState('ana');
  mayAnswer.give();
  expect(await Promise.all([first, second])).toEqual([{ step: 'new' }, { step: 'new' }]);
});
