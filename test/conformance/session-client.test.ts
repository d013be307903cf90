import type { OperationEvent } from '@cauce/session-client';
import { describe, expect, it } from 'vitest';
import type { State } from '../integration/session-client/client.ts';
import { type Opened, stores } from './stores.ts';

describe.each(Object.keys(stores))('sessions in %s', (store) => {
  const open = stores[store] as (...options: Parameters<(typeof stores)[string]>) => Promise<Opened>;

  describe('saving and loading', () => {
    it('a saved state is loaded as it was, with a version that grows', async () => {
      const { sessions, durability } = await open();
      const ref = { tenantId: 'acme', userId: 'ana' };
      expect(await sessions.getUserState(ref)).toBeUndefined();
      const first = await sessions.saveUserState(ref, { step: 'menu' });
      const second = await sessions.saveUserState(ref, { step: 'ñ 😀' });
      expect(first).toEqual({
        version: expect.stringMatching(/^\d+$/),
        opId: expect.stringMatching(/^[\w-]{12}$/),
        isReplay: false,
        durability,
      });
      expect(BigInt(second.version)).toBeGreaterThan(BigInt(first.version));
      expect(await sessions.getUserState(ref)).toEqual({ step: 'ñ 😀' });
      expect(await sessions.getUserSession(ref)).toEqual({
        state: { step: 'ñ 😀' },
        version: second.version,
      });
    });

    it('a bare user id belongs to the tenant "default"', async () => {
      const { sessions } = await open();
      await sessions.saveUserState('ana', { step: 'x' });
      expect(await sessions.getUserState({ tenantId: 'default', userId: 'ana' })).toEqual({ step: 'x' });
    });

    it('hostile ids are kept apart', async () => {
      const { sessions } = await open();
      const refs = [
        { tenantId: 'a:b', userId: 'c' },
        { tenantId: 'a', userId: 'b:c' },
        { tenantId: 'a%3Ab', userId: 'c' },
        { tenantId: 'a', userId: '{1}' },
        { tenantId: 'a', userId: '*' },
        { tenantId: 'a', userId: '?[a-z]' },
        { tenantId: 'a', userId: '"; DROP TABLE session; --' },
        { tenantId: 'a', userId: '__proto__' },
        { tenantId: 'constructor', userId: 'ñ 😀' },
        { tenantId: 'a', userId: '\u00c9' },
        { tenantId: 'a', userId: 'E\u0301' },
        { tenantId: 'A', userId: 'é' },
      ];
      for (const [count, ref] of refs.entries()) await sessions.saveUserState(ref, { count });
      expect(await sessions.getUserStates(refs)).toEqual(refs.map((_, count) => ({ count })));
    });

    it.each([
      ['', 'empty'],
      ['a\0b', 'control character'],
      ['a\nb', 'control character'],
      ['a\ud800', 'surrogate'],
      ['x'.repeat(257), '256'],
    ])('the id %j is refused', async (userId, reason) => {
      const { sessions } = await open();
      const refused = expect.objectContaining({
        code: 'INVALID_ID',
        message: expect.stringContaining(reason),
      });
      await expect(sessions.saveUserState(userId, {})).rejects.toEqual(refused);
      await expect(sessions.getUserState(userId)).rejects.toEqual(refused);
    });

    it('the state is taken at the call: changing it afterwards changes nothing', async () => {
      const { sessions } = await open();
      const state = { count: 1 };
      const saving = sessions.saveUserState('ana', state);
      state.count = 2;
      await saving;
      expect(await sessions.getUserState('ana')).toEqual({ count: 1 });
    });

    it('a batch comes back in the order asked, with gaps and repetitions', async () => {
      const { sessions } = await open();
      for (let count = 0; count < 20; count++) await sessions.saveUserState(`u${count}`, { count });
      await sessions.clearUserState('u3');
      const asked = ['u7', 'nobody', 'u3', 'u0', 'u7', 'u19'];
      expect(await sessions.getUserStates(asked)).toEqual([
        { count: 7 },
        undefined,
        undefined,
        { count: 0 },
        { count: 7 },
        { count: 19 },
      ]);
      expect(await sessions.getUserStates([])).toEqual([]);
      const tooMany = Array.from({ length: 501 }, (_, i) => `u${i}`);
      await expect(sessions.getUserStates(tooMany)).rejects.toMatchObject({ code: 'INVALID_OPTION' });
    });

    it('a rejected state changes nothing', async () => {
      const { sessions } = await open({ maxStateBytes: 30 });
      await sessions.saveUserState('ana', { step: 'kept' });
      await expect(sessions.saveUserState('ana', { count: Number.NaN })).rejects.toMatchObject({
        code: 'STATE_REJECTED',
        path: '$.count',
      });
      await expect(sessions.saveUserState('ana', { step: 'x'.repeat(30) })).rejects.toMatchObject({
        code: 'STATE_TOO_LARGE',
        maxBytes: 30,
      });
      expect(await sessions.getUserState('ana')).toEqual({ step: 'kept' });
    });
  });

  describe('ifVersion', () => {
    it('saves over the expected version only', async () => {
      const { sessions } = await open();
      const { version } = await sessions.saveUserState('ana', { count: 1 }, { ifVersion: '0' });
      const next = await sessions.saveUserState('ana', { count: 2 }, { ifVersion: version });
      await expect(sessions.saveUserState('ana', { count: 3 }, { ifVersion: version })).rejects.toMatchObject(
        {
          code: 'VERSION_CONFLICT',
          retryable: true,
          expected: version,
          actual: next.version,
        },
      );
      await expect(sessions.clearUserState('ana', { ifVersion: '0' })).rejects.toMatchObject({
        actual: next.version,
      });
      await expect(sessions.saveUserState('eva', {}, { ifVersion: '7' })).rejects.toMatchObject({
        actual: '0',
      });
      expect(await sessions.getUserState('ana')).toEqual({ count: 2 });
    });

    it('that is not a version is refused', async () => {
      const { sessions } = await open();
      await expect(sessions.saveUserState('ana', {}, { ifVersion: '1e3' })).rejects.toMatchObject({
        code: 'INVALID_OPTION',
      });
    });
  });

  describe('opId', () => {
    it('a repeated save is answered, not applied, also when somebody saved in between', async () => {
      const { sessions, another, durability } = await open();
      const first = await sessions.saveUserState('ana', { step: 'old' }, { opId: 'op-1' });
      const other = await another().saveUserState('ana', { step: 'new' });
      const replay = await sessions.saveUserState('ana', { step: 'old' }, { opId: 'op-1' });
      expect(replay).toEqual({ version: first.version, opId: 'op-1', isReplay: true, durability });
      expect(await sessions.getUserSession('ana')).toEqual({
        state: { step: 'new' },
        version: other.version,
      });
    });

    it('a repeated conditional save is answered although the session already has its own version', async () => {
      const { sessions } = await open();
      const options = { ifVersion: '0', opId: 'op-1' };
      const first = await sessions.saveUserState('ana', { count: 1 }, options);
      expect(await sessions.saveUserState('ana', { count: 1 }, options)).toMatchObject({
        version: first.version,
        isReplay: true,
      });
    });

    it.each(['', 'a b', 'a=1', 'x'.repeat(65), 'ñ'])('%j is refused', async (opId) => {
      const { sessions } = await open();
      await expect(sessions.saveUserState('ana', {}, { opId })).rejects.toMatchObject({
        code: 'INVALID_OPTION',
      });
    });
  });

  describe('clearing', () => {
    it('a cleared session can be saved again', async () => {
      const { sessions } = await open();
      await sessions.clearUserState('ana');
      await sessions.saveUserState('ana', { step: 'again' });
      expect(await sessions.getUserState('ana')).toEqual({ step: 'again' });
    });
  });

  describe('updating', () => {
    it('20 concurrent updaters in four processes lose nothing: the counter ends at 20', async () => {
      const { sessions, another } = await open();
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
      const { sessions } = await open();
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
      const { sessions, another } = await open();
      const other = another();
      await sessions.saveUserState('ana', { count: 1 });
      let calls = 0;
      await sessions.updateUserState('ana', async (state) => {
        if (calls++ === 0) await other.saveUserState('ana', { count: 100 });
        return { count: (state?.count ?? 0) + 1 };
      });
      expect([await sessions.getUserState('ana'), calls]).toEqual([{ count: 101 }, 2]);
    });

    it('gives up with VERSION_CONFLICT after maxAttempts', async () => {
      const { sessions, another } = await open();
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
      const { sessions } = await open();
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

  describe('reporting', () => {
    it('every call is reported once, with its duration and its error code; an update with its steps', async () => {
      const events: OperationEvent[] = [];
      const { sessions } = await open({ observe: (event) => events.push(event) });
      await sessions.saveUserState('ana', {});
      await sessions.getUserState('ana');
      await sessions.getUserStates(['ana']);
      await sessions.updateUserState('ana', () => ({}));
      await sessions.saveUserState('ana', {}, { ifVersion: '0' }).catch(() => {});
      await sessions.updateUserState('ana', () => Promise.reject(new Error('mine'))).catch(() => {});
      await sessions.clearUserState('ana');
      await sessions.getTenantInfo('acme', () => 1);
      await sessions.invalidateTenant('acme');
      expect(events.map((event) => [event.operation, event.outcome === 'ok' ? 'ok' : event.code])).toEqual([
        ['save', 'ok'],
        ['load', 'ok'],
        ['loadMany', 'ok'],
        ['load', 'ok'],
        ['save', 'ok'],
        ['update', 'ok'],
        ['save', 'VERSION_CONFLICT'],
        ['load', 'ok'],
        ['update', 'OTHER'],
        ['clear', 'ok'],
        ['tenant', 'ok'],
        ['invalidateTenant', 'ok'],
      ]);
      expect(events.every(({ durationMs }) => durationMs > 0 && durationMs < 60_000)).toBe(true);
    });
  });
});
