import {
  assessRedis,
  parseInfo,
  primaries,
  type RedisConnection,
  RedisError,
  type RedisHealth,
  textIn,
} from '@cauce/protocol';

/** What the servers say of themselves, over all primaries. All times are the server's own: no network is in them. */
export interface ServerStats {
  readonly health: readonly RedisHealth[];
  /** Calls of ZADD since each server started, by run id. */
  readonly zaddCalls: ReadonlyMap<string, number>;
  /** Mean of all EVALSHA calls since the server started or CONFIG RESETSTAT; undefined before the first. */
  readonly scriptMeanMs: number | undefined;
  /** The slowest primary's 99th percentile of EVALSHA; undefined before the first call. */
  readonly scriptP99Ms: number | undefined;
}

/** @throws RedisError */
export async function readServerStats(redis: RedisConnection): Promise<ServerStats> {
  const servers = await Promise.all(
    primaries(redis).map(async (server) => {
      const [info, commands, latency] = await Promise.all([
        server.info(),
        server.info('commandstats'),
        server.info('latencystats'),
      ]);
      return {
        health: assessRedis(textIn('INFO', info)),
        ...readCommandStats(textIn('INFO', commands), textIn('INFO', latency)),
      };
    }),
  ).catch((error: unknown) => {
    throw RedisError.from(error, 'INFO');
  });
  const calls = sum(servers.map(({ scriptCalls }) => scriptCalls));
  const p99s = servers.flatMap(({ scriptP99Us }) => scriptP99Us ?? []);
  return {
    health: servers.map(({ health }) => health),
    zaddCalls: new Map(servers.map(({ health, zaddCalls }) => [health.runId, zaddCalls])),
    scriptMeanMs: calls === 0 ? undefined : sum(servers.map(({ scriptUs }) => scriptUs)) / calls / 1000,
    scriptP99Ms: p99s.length === 0 ? undefined : Math.max(...p99s) / 1000,
  };
}

/** Reads `INFO commandstats` and `INFO latencystats`. Pure. */
export function readCommandStats(
  commandStats: string,
  latencyStats: string,
): { zaddCalls: number; scriptCalls: number; scriptUs: number; scriptP99Us: number | undefined } {
  const commands = parseInfo(commandStats);
  const numberIn = (text: string | undefined, name: string): number | undefined => {
    const value = text
      ?.split(',')
      .find((part) => part.startsWith(`${name}=`))
      ?.slice(name.length + 1);
    return value === undefined ? undefined : Number(value);
  };
  const scripts = commands.get('cmdstat_evalsha');
  return {
    // save.lua calls ZADD exactly once for each save it applies. settle.lua does for a session that was saved while it
    // was synced, and repairs do: few beside the saves.
    zaddCalls: numberIn(commands.get('cmdstat_zadd'), 'calls') ?? 0,
    scriptCalls: numberIn(scripts, 'calls') ?? 0,
    scriptUs: numberIn(scripts, 'usec') ?? 0,
    scriptP99Us: numberIn(parseInfo(latencyStats).get('latency_percentiles_usec_evalsha'), 'p99'),
  };
}

/** Undefined when a server restarted or reset its counters in between. Pure. */
export function writesPerSecond(
  before: ServerStats['zaddCalls'],
  after: ServerStats['zaddCalls'],
  elapsedMs: number,
): number | undefined {
  const deltas = [...after].map(([runId, calls]) => calls - (before.get(runId) ?? Number.POSITIVE_INFINITY));
  return elapsedMs <= 0 || deltas.some((delta) => delta < 0) ? undefined : (sum(deltas) * 1000) / elapsedMs;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
