// Everything one run consists of: private servers behind proxies, the two fleets, and what they reported.

import { startPostgres, startTcpProxy } from '@cauce/dev-services';
import { createPool } from '@cauce/postgres';
import { migrate } from '@cauce/postgres/migrate';
import { createKeyspace } from '@cauce/protocol';
import type { SyncReport } from '@cauce/sync-consumer';
import { readHeldVersions } from './collect.ts';
import { createFleet } from './fleet.ts';
import { openHistory } from './history.ts';
import { REFUSALS } from './refusals.ts';
import { KEY_PREFIX, PARTITIONS, SCHEMA } from './sessions.ts';
import type { FleetName } from './stores/store.ts';
import type { Topology } from './topologies.ts';
import type { See, World } from './world.ts';

// Every version a row ever had, in the order of its lock. Written by the same transaction as the row.
const ROW_HISTORY = `
  CREATE TABLE ${SCHEMA}.row_history (
    seq bigserial PRIMARY KEY, operation text, user_id text, version bigint, n text, is_tombstone boolean
  );
  CREATE FUNCTION ${SCHEMA}.record_row() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE changed ${SCHEMA}.session;
  BEGIN
    changed := CASE WHEN tg_op = 'DELETE' THEN old ELSE new END;
    INSERT INTO ${SCHEMA}.row_history (operation, user_id, version, n, is_tombstone)
    VALUES (tg_op, changed.user_id, changed.version, changed.state->>'n', changed.state IS NULL);
    RETURN NULL;
  END $$;
  CREATE TRIGGER record_row AFTER INSERT OR UPDATE OR DELETE ON ${SCHEMA}.session
  FOR EACH ROW EXECUTE FUNCTION ${SCHEMA}.record_row();`;

export interface WorldOptions {
  readonly historyFile: string;
  readonly startedUs: number;
  readonly bots: number;
  readonly consumers: number;
  readonly topology: Pick<Topology, 'openStore' | 'replicaShare' | 'postgresShare'>;
}

export async function openWorld(options: WorldOptions): Promise<World> {
  const { historyFile, startedUs, bots, consumers, topology } = options;
  const closers: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const closer of closers.reverse()) await closer();
  };
  try {
    const store = await topology.openStore();
    closers.push(() => store.close());
    const { admin } = store;
    const postgres = await startPostgres({ startTimeoutMs: 30_000 });
    closers.push(() => postgres.stop());
    const linkToPostgres = async () => {
      const link = await startTcpProxy({ targetPort: postgres.port });
      closers.push(() => link.stop());
      return link;
    };
    const postgresLinks = { bots: await linkToPostgres(), consumers: await linkToPostgres() };

    await migrate({ databaseUrl: postgres.url, schema: SCHEMA, table: 'session' });
    const pool = createPool({
      databaseUrl: postgres.url,
      maxConnections: 4,
      connectTimeoutMs: 5000,
      queryTimeoutMs: 30_000,
      onError: () => {},
    });
    closers.push(() => pool.end());
    // The faults that the others suffer pass by the harness' own sessions.
    pool.on('connect', (client) => {
      client.on('error', () => {});
      client.query("SET default_transaction_read_only = off; SET application_name = 'crash'").catch(() => {});
    });
    await pool.query(ROW_HISTORY + REFUSALS);

    const urls = (who: FleetName) => ({
      REDIS_URL: store.urlFor(who),
      DATABASE_URL: postgresLinks[who].urlFor(postgres.url),
    });
    const seen = new Map<string, number>();
    const see: See = (event, count = 1) => seen.set(event, (seen.get(event) ?? 0) + count);
    const botFleet = createFleet({
      name: 'bot',
      size: bots,
      onLine: (line) => void hearEvent(line, see),
      envFor: (proc) => ({
        ...urls('bots'),
        CRASH_PROC: proc,
        CRASH_HISTORY: historyFile,
        CRASH_STARTED_US: String(startedUs),
        CRASH_REPLICA_SHARE: String(topology.replicaShare),
        CRASH_POSTGRES_SHARE: String(topology.postgresShare),
      }),
    });
    const consumerFleet = createFleet({
      name: 'consumer',
      size: consumers,
      onLine: (line) => {
        if (!hearEvent(line, see)) hearLog(line, see);
      },
      envFor: () => ({
        ...urls('consumers'),
        SESSION_KEY_PREFIX: KEY_PREFIX,
        SESSION_PARTITIONS: String(PARTITIONS),
        SESSION_DB_SCHEMA: SCHEMA,
        SESSION_TTL: '1',
        SESSION_SYNC_INTERVAL: '40',
        SYNC_CLAIM_IDLE: '800',
        SYNC_SWEEP_AFTER: '1000',
        SYNC_PARK_LIMIT: '5',
      }),
    });
    closers.push(() => Promise.all([botFleet.stopAll(5000), consumerFleet.stopAll(12_000)]));
    const keyspace = createKeyspace({ keyPrefix: KEY_PREFIX, partitions: PARTITIONS });
    const history = openHistory(historyFile);
    closers.push(async () => history.close());
    return {
      ...{ startedUs, history, historyFile, keyspace },
      ...{ store, postgres, postgresLinks, pool, admin, seen, see, close },
      parkedWrongly: new Set(),
      bots: botFleet,
      consumers: consumerFleet,
      versionFloors: () =>
        Promise.all(partitions.map((p) => admin.hget(`${KEY_PREFIX}:{${p}}:meta`, 'floor'))),
      heldVersions: () => readHeldVersions(admin, keyspace),
      countDirty: () => sum(partitions.map((p) => admin.zcard(`${KEY_PREFIX}:{${p}}:dirty`))),
      countEvents: () => sum(partitions.map((p) => admin.xlen(`${KEY_PREFIX}:{${p}}:changes`))),
      countParked: () => sum(partitions.map((p) => admin.hlen(`${KEY_PREFIX}:{${p}}:parked`))),
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const partitions = Array.from({ length: PARTITIONS }, (_, partition) => partition);

async function sum(counts: readonly Promise<number>[]): Promise<number> {
  return (await Promise.all(counts)).reduce((total, count) => total + count, 0);
}

function hearEvent(line: string, see: See): boolean {
  const match = /^@ (.+) (\d+)$/.exec(line);
  if (match?.[1] === undefined) return false;
  see(match[1], Number(match[2]));
  return true;
}

interface LogEntry {
  readonly level: number;
  readonly msg?: string;
  readonly reason?: string;
  readonly err?: { readonly message: string };
}

/** What a pass writes to the log when it synced something. */
type SyncedEntry = LogEntry & SyncReport;

/** The consumer's log. */
function hearLog(line: string, see: See): void {
  if (!line.startsWith('{')) return;
  let entry: LogEntry;
  try {
    entry = JSON.parse(line) as LogEntry;
  } catch {
    return; // cut off by a kill
  }
  if (entry.msg === 'synced') {
    const { written, duplicate, superseded, parked, held } = entry as SyncedEntry;
    see('rows written', written);
    see('stale upsert rejected', duplicate + superseded);
    see('superseded', superseded);
    see('row parked', parked);
    see('parked row held back', held);
  } else if (entry.msg?.startsWith('PostgreSQL is away')) see('PostgreSQL away');
  else if (entry.msg?.startsWith('PostgreSQL refuses too many rows')) see('breaker opened');
  else if (entry.level >= 50)
    see(`logged: ${[entry.msg, entry.reason, entry.err?.message].filter(Boolean).join(': ').slice(0, 160)}`);
}
