import type { Servers } from '../servers.ts';

type Both = Pick<Servers, 'redisUrl' | 'databaseUrl'>;

/** A consumer that syncs only when it is asked to. */
export function onDemandConsumer(servers: Both): Record<string, string> {
  return everyInterval(servers, { intervalMs: 3_600_000, earlySessions: 10_000_000 });
}

/** A consumer as it is run, but for its interval. */
export function everyInterval(
  { redisUrl, databaseUrl }: Both,
  { intervalMs, earlySessions }: { readonly intervalMs: number; readonly earlySessions?: number },
): Record<string, string> {
  return {
    REDIS_URL: redisUrl,
    DATABASE_URL: databaseUrl,
    SESSION_SYNC_INTERVAL: String(intervalMs),
    ...(earlySessions === undefined ? {} : { SYNC_EARLY_SESSIONS: String(earlySessions) }),
  };
}
