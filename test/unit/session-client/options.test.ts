import { createSessionClient, parseSettings, sessionClientOptionsFrom } from '@cauce/session-client';
import { createPostgresLoader } from '@cauce/session-client/postgres';
import { describe, expect, it } from 'vitest';
import { resolveOptions } from '../../../packages/session-client/src/options.ts';

const redis = 'redis://127.0.0.1:1';

describe('options of the session client', () => {
  it('have the documented defaults', () => {
    expect(resolveOptions({ redis })).toMatchObject({
      keyPrefix: 'sess',
      partitions: 64,
      sessionTtlSeconds: 3600,
      tenantCacheTtlSeconds: 3600,
      maxStateBytes: 262_144,
      tenantBudgetBytes: 0,
      commandTimeoutMs: 2000,
      connectTimeoutMs: 5000,
      leaseTtlMs: 10_000,
    });
  });

  it.each([
    ['partitions', 3],
    ['partitions', 2048],
    ['sessionTtlSeconds', 0],
    ['sessionTtlSeconds', 1.5],
    ['tenantCacheTtlSeconds', Number.NaN],
    ['maxStateBytes', 8_388_609],
    ['commandTimeoutMs', Number.POSITIVE_INFINITY],
    ['connectTimeoutMs', 9],
    ['leaseTtlMs', 99],
    ['keyPrefix', 'a:b'],
    ['observe', 'x'],
    ['loader', {}],
    ['schema', {}],
  ])('refuse %s %s, by name', (name, value) => {
    expect(() => resolveOptions({ redis, [name]: value })).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining(name) }),
    );
  });

  it('report all problems at once, before anything is opened', () => {
    const wrong = { redis: '', partitions: 3, commandTimeoutMs: 0 };
    expect(() => createSessionClient(wrong)).toThrow(
      /partitions is 3.*commandTimeoutMs is 0.*redis is missing/,
    );
  });

  it('refuse a URL of something else without showing its password', () => {
    const open = (): unknown => createSessionClient({ redis: 'http://user:hunter2@host' });
    expect(open).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
    expect(open).toThrow(expect.objectContaining({ message: expect.not.stringContaining('hunter2') }));
  });

  it('come from the settings table', () => {
    const parsed = parseSettings({
      REDIS_URL: redis,
      REDIS_TLS_CA_FILE: '/ca.pem',
      SESSION_TTL: '60',
      TENANT_CACHE_TTL: '61',
      SESSION_PARTITIONS: '8',
      SESSION_KEY_PREFIX: 'bot',
      SESSION_MAX_STATE_BYTES: '1000',
    });
    expect(parsed.ok && sessionClientOptionsFrom(parsed.values)).toEqual({
      redis,
      redisTls: { caFile: '/ca.pem' },
      keyPrefix: 'bot',
      partitions: 8,
      sessionTtlSeconds: 60,
      tenantCacheTtlSeconds: 61,
      maxStateBytes: 1000,
      tenantBudgetBytes: 0,
    });
    const empty = parseSettings({});
    expect(() => empty.ok && sessionClientOptionsFrom(empty.values)).toThrow(/REDIS_URL is missing/);
  });
});

describe('options of the PostgreSQL loader', () => {
  it('refuse what could not be quoted, and report all problems at once', () => {
    expect(() =>
      createPostgresLoader({ databaseUrl: 'mysql://x', schema: 'a"b', table: 'T', maxConcurrent: 0 }),
    ).toThrow(/schema is .*table is .*maxConcurrent is 0.*databaseUrl/);
  });
});
