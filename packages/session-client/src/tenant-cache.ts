import { randomBytes } from 'node:crypto';
import {
  countIn,
  type Keyspace,
  type RedisConnection,
  RedisError,
  type Scripts,
  textOrNullIn,
  withDeadline,
} from '@cauce/protocol';
import { TenantLoadError } from './errors.ts';
import { Flights } from './flights.ts';
import type { PartitionOpener } from './partition-opener.ts';
import { decodeJson, encodeJson } from './state-codec.ts';

export type LoadTenant<Info> = (tenantId: string) => Info | Promise<Info>;

export interface TenantCache {
  /**
   * @throws TenantLoadError
   * @throws RedisError
   */
  get<Info>(tenantId: string, loadTenant: LoadTenant<Info>): Promise<Info>;
  /** @throws RedisError */
  invalidate(tenantId: string): Promise<void>;
}

export interface TenantCacheDeps {
  readonly opener: PartitionOpener;
  readonly redis: RedisConnection;
  readonly keyspace: Keyspace;
  readonly scripts: Scripts;
}

export interface TenantCacheOptions {
  readonly tenantCacheTtlSeconds: number;
  readonly leaseTtlMs: number;
  readonly commandTimeoutMs: number;
  readonly maxStateBytes: number;
}

export function createTenantCache(deps: TenantCacheDeps, options: TenantCacheOptions): TenantCache {
  const { opener, redis, keyspace, scripts } = deps;
  /** JSON text, so that each caller gets a copy of its own; undefined when the loader gave undefined. */
  const flights = new Flights<string | undefined>();

  async function call<Reply>(name: string, reply: Promise<Reply>): Promise<Reply> {
    try {
      return await withDeadline(reply, options.commandTimeoutMs);
    } catch (error) {
      throw RedisError.from(error, name);
    }
  }

  async function load(tenantId: string, loadTenant: LoadTenant<unknown>): Promise<string | undefined> {
    const token = randomBytes(9).toString('base64url');
    // Taken before loading: an invalidation from now on removes it.
    const { lease } = keyspace.tenant(tenantId);
    await unlessFull(call('tenant lease', redis.set(lease, token, 'PX', options.leaseTtlMs)));
    let info: unknown;
    try {
      info = await loadTenant(tenantId);
    } catch (error) {
      throw new TenantLoadError(error);
    }
    if (info === undefined) return undefined;
    const text = encodeJson(info, { maxBytes: options.maxStateBytes, what: 'tenant info' });
    const ttlMs = options.tenantCacheTtlSeconds * 1000;
    await unlessFull(scripts.cacheTenant(tenantId, { token, info: text, ttlMs }));
    return text;
  }

  async function cached(tenantId: string): Promise<{ info: unknown } | undefined> {
    const text = textOrNullIn(
      'tenant load',
      await call('tenant load', redis.get(keyspace.tenant(tenantId).info)),
    );
    if (text === null) return undefined;
    try {
      return { info: decodeJson(text, 'the tenant') };
    } catch {
      // It is only a cache: what cannot be read is loaded again.
      return undefined;
    }
  }

  return {
    async get<Info>(tenantId: string, loadTenant: LoadTenant<Info>): Promise<Info> {
      await opener.open([]);
      const hit = await cached(tenantId);
      if (hit) return hit.info as Info;
      const work = flights.get(tenantId) ?? flights.add(tenantId, load(tenantId, loadTenant));
      const text = await work;
      return (text === undefined ? undefined : decodeJson(text, 'the tenant')) as Info;
    },
    async invalidate(tenantId) {
      const { info, lease } = keyspace.tenant(tenantId);
      await opener.open([]);
      // Without its lease a load under way is not cached, in any process.
      countIn('tenant invalidation', await call('tenant invalidation', redis.del(info, lease)));
      flights.forget(tenantId);
    },
  };
}

/** With Redis' memory full the tenant is served without being cached. */
async function unlessFull(write: Promise<unknown>): Promise<void> {
  try {
    await write;
  } catch (error) {
    if (!(error instanceof RedisError) || error.failure.reason !== 'OOM') throw error;
  }
}
