import { describe, expect, it } from 'vitest';
import { isolatedClient, signal } from './client.ts';

interface Tenant {
  readonly name: string;
}

describe('tenant info', () => {
  it('is loaded once and then comes from Redis, for other processes too, for tenantCacheTtlSeconds', async () => {
    const { sessions, another, redis, keyspace } = isolatedClient({ tenantCacheTtlSeconds: 100 });
    let loads = 0;
    const load = async (id: string): Promise<Tenant> => ({ name: `${id} ${++loads}` });
    expect(await sessions.getTenantInfo('acme', load)).toEqual({ name: 'acme 1' });
    expect(await sessions.getTenantInfo('acme', load)).toEqual({ name: 'acme 1' });
    expect(await another().getTenantInfo('acme', load)).toEqual({ name: 'acme 1' });
    expect(await sessions.getTenantInfo('other', load)).toEqual({ name: 'other 2' });
    const ttlMs = await redis.pttl(keyspace.tenant('acme').info);
    expect(ttlMs).toBeGreaterThan(90_000);
    expect(ttlMs).toBeLessThanOrEqual(100_000);
  });

  it('100 concurrent calls load once, and each gets a copy of its own', async () => {
    const { sessions } = isolatedClient();
    let loads = 0;
    const load = async (): Promise<Tenant> => ({ name: `load ${++loads}` });
    const infos = await Promise.all(Array.from({ length: 100 }, () => sessions.getTenantInfo('acme', load)));
    expect([loads, new Set(infos).size]).toEqual([1, 100]);
  });

  it('invalidated during a load is not cached, and the next caller loads it again', async () => {
    const { sessions, another, redis, keyspace } = isolatedClient();
    for (const invalidating of [sessions, another()]) {
      const asked = signal();
      const answer = signal<Tenant>();
      const stale = sessions.getTenantInfo('acme', () => {
        asked.give();
        return answer.promise;
      });
      await asked.promise;
      await invalidating.invalidateTenant('acme');
      if (invalidating === sessions) {
        expect(await sessions.getTenantInfo('acme', () => ({ name: 'new' }))).toEqual({ name: 'new' });
        await sessions.invalidateTenant('acme');
      }
      answer.give({ name: 'old' });
      expect(await stale).toEqual({ name: 'old' });
      expect(await redis.exists(keyspace.tenant('acme').info)).toBe(0);
    }
    expect(await sessions.getTenantInfo('acme', () => ({ name: 'new' }))).toEqual({ name: 'new' });
  });

  it('may take leaseTtlMs to load and is still cached', async () => {
    const { sessions, redis, keyspace } = isolatedClient({ leaseTtlMs: 60_000 });
    const leaseMs = await sessions.getTenantInfo('acme', () => redis.pttl(keyspace.tenant('acme').lease));
    expect(leaseMs).toBeGreaterThan(50_000);
    expect(await redis.exists(keyspace.tenant('acme').lease)).toBe(0);
  });

  it('invalidated after a load is loaded again', async () => {
    const { sessions } = isolatedClient();
    await sessions.getTenantInfo('acme', () => ({ name: 'old' }));
    await sessions.invalidateTenant('acme');
    expect(await sessions.getTenantInfo('acme', () => ({ name: 'new' }))).toEqual({ name: 'new' });
  });

  it('a load that fails is TENANT_LOAD_FAILED with the code of its cause, and is tried again by the next call', async () => {
    const { sessions } = isolatedClient();
    const cause = Object.assign(new Error('down'), { code: 'DOWN' });
    await expect(sessions.getTenantInfo('acme', () => Promise.reject(cause))).rejects.toMatchObject({
      code: 'TENANT_LOAD_FAILED',
      retryable: true,
      cause: { code: 'DOWN' },
    });
    expect(await sessions.getTenantInfo('acme', () => 1)).toBe(1);
  });

  it('null is cached, undefined is not, and what is not JSON is refused', async () => {
    const { sessions } = isolatedClient();
    expect(await sessions.getTenantInfo('none', () => null)).toBeNull();
    expect(await sessions.getTenantInfo<unknown>('none', () => 1)).toBeNull();
    expect(await sessions.getTenantInfo('later', () => undefined)).toBeUndefined();
    expect(await sessions.getTenantInfo<unknown>('later', () => 1)).toBe(1);
    await expect(sessions.getTenantInfo('map', () => new Map())).rejects.toMatchObject({
      code: 'STATE_REJECTED',
    });
    await expect(sessions.getTenantInfo('', () => 1)).rejects.toMatchObject({ code: 'INVALID_ID' });
  });

  it('what cannot be read from the cache is loaded again', async () => {
    const { sessions, redis, keyspace } = isolatedClient();
    await redis.set(keyspace.tenant('acme').info, '{broken');
    expect(await sessions.getTenantInfo('acme', () => 1)).toBe(1);
    expect(await redis.get(keyspace.tenant('acme').info)).toBe('1');
  });
});
