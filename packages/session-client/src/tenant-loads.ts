import { TenantLoadError } from './errors.ts';
import { Flights } from './flights.ts';
import { decodeJson, encodeJson } from './state-codec.ts';
import type { LoadTenant, TenantCache } from './tenant-cache.ts';

/**
 * Stands where there is no Redis to cache a tenant in: each call loads, except that this process runs one load of a
 * tenant at a time. What is given is the same as from the cache.
 */
export function createTenantLoads({ maxStateBytes }: { readonly maxStateBytes: number }): TenantCache {
  /** JSON text, so that each caller gets a copy of its own; undefined when the loader gave undefined. */
  const flights = new Flights<string | undefined>();

  async function load(tenantId: string, loadTenant: LoadTenant<unknown>): Promise<string | undefined> {
    let info: unknown;
    try {
      info = await loadTenant(tenantId);
    } catch (error) {
      throw new TenantLoadError(error);
    }
    return info === undefined
      ? undefined
      : encodeJson(info, { maxBytes: maxStateBytes, what: 'tenant info' });
  }

  return {
    async get<Info>(tenantId: string, loadTenant: LoadTenant<Info>): Promise<Info> {
      const text = await (flights.get(tenantId) ?? flights.add(tenantId, load(tenantId, loadTenant)));
      return (text === undefined ? undefined : decodeJson(text, 'the tenant')) as Info;
    },
    invalidate(tenantId) {
      flights.forget(tenantId);
      return Promise.resolve();
    },
  };
}
