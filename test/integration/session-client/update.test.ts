import { describe, expect, it } from 'vitest';
import { isolatedClient, type State, syncAndExpire } from './client.ts';

describe('updating', () => {
  it('20 concurrent updaters in four processes lose nothing: the counter ends at 20', async () => {
    const { sessions, another } = isolatedClient();
    const clients = [sessions, another(), another(), another()];
    const increment = (state?: State): State => ({ count: (state?.count ?? 0) + 1 });
    const updates = clients.flatMap((client) =>
      Array.from({ length: 5 }, () => client.updateUserState('ana', increment)),
    );
    const receipts = await Promise.all(updates);
    expect(await sessions.getUserState('ana')).toEqual({ count: 20 });
    expect(new Set(receipts.map((receipt) => receipt.version)).size).toBe(20);
  });

  it('a change gets undefined for a session that is absent, and for one that was cleared', async () => {
    const { sessions } = isolatedClient();
    const seen: unknown[] = [];
    const start = (state: unknown): { step: string } => {
      seen.push(state);
      return { step: 'start' };
    };
    await sessions.updateUserState('ana', start);
    await sessions.clearUserState('ana');
    await sessions.updateUserState('ana', async (state) => start(state));
    expect(seen).toEqual([undefined, undefined]);
    expect(await sessions.getUserState('ana')).toEqual({ step: 'start' });
  });

  it('a save by somebody else while the state is being changed is not overwritten', async () => {
    const { sessions, another } = isolatedClient();
    const other = another();
    await sessions.saveUserState('ana', { count: 1 });
    let calls = 0;
    await sessions.updateUserState('ana', async (state) => {
      if (calls++ === 0) await other.saveUserState('ana', { count: 100 });
      return { count: (state?.count ?? 0) + 1 };
    });
    expect([await sessions.getUserState('ana'), calls]).toEqual([{ count: 101 }, 2]);
  });

  it('a session that expires while the state is being changed is loaded again', async () => {
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

  it('gives up with VERSION_CONFLICT after maxAttempts', async () => {
    const { sessions, another } = isolatedClient();
    const other = another();
    let calls = 0;
    const losing = sessions.updateUserState(
      'ana',
      async () => {
        await other.saveUserState('ana', { count: ++calls });
        return {};
      },
      { maxAttempts: 3 },
    );
    await expect(losing).rejects.toMatchObject({ code: 'VERSION_CONFLICT' });
    expect([calls, await sessions.getUserState('ana')]).toEqual([3, { count: 3 }]);
  });

  it('a change that gives undefined is refused, and the error names clearUserState; one that throws saves nothing', async () => {
    const { sessions } = isolatedClient();
    await sessions.saveUserState('ana', { count: 1 });
    const nothing = (() => undefined) as unknown as () => { count: number };
    await expect(sessions.updateUserState('ana', nothing)).rejects.toThrow(/clearUserState/);
    const own = new Error('mine');
    await expect(sessions.updateUserState('ana', () => Promise.reject(own))).rejects.toBe(own);
    expect(await sessions.getUserState('ana')).toEqual({ count: 1 });
    await expect(sessions.updateUserState('ana', () => ({}), { maxAttempts: 0 })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
    });
  });
});
