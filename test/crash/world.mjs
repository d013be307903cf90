// Everything one run consists of: private servers behind proxies, the two fleets, and what they told.

import { startPostgres, startTcpProxy } from '@cauce/dev-services';
import { createPool } from '@cauce/postgres';
import { migrate } from '@cauce/postgres/migrate';
import { createKeyspace } from '@cauce/protocol';
import { createFleet } from './fleet.mjs';
import { openHistory } from './history.mjs';
import { REFUSALS } from './refusals.mjs';
import { KEY_PREFIX, PARTITIONS, SCHEMA } from './sessions.mjs';

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

/**
 * @param {object} options
 * @param {string} options.historyFile
 * @param {number} options.startedUs
 * @param {number} options.bots
 * @param {number} options.consumers
 * @param {import('./topologies.mjs').Topology} options.topology
 */
export async function openWorld({ historyFile, startedUs, bots, consumers, topology }) {
  const closers = [];
  const close = async () => {
    for (const closer of closers.reverse()) await closer();
  };
  try {
    const store = await topology.openStore();
    closers.push(() => store.close());
    const { admin } = store;
    const postgres = await startPostgres({ startTimeoutMs: 30_000 });
    closers.push(() => postgres.stop());
    const postgresLinks = {};
    for (const who of ['bots', 'consumers']) {
      postgresLinks[who] = await startTcpProxy({ targetPort: postgres.port });
      closers.push(() => postgresLinks[who].stop());
    }

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

    const urls = (who) => ({
      REDIS_URL: store.urlFor(who),
      DATABASE_URL: postgresLinks[who].urlFor(postgres.url),
    });
    const seen = new Map();
    const see = (event, count = 1) => seen.set(event, (seen.get(event) ?? 0) + count);
    const botFleet = createFleet({
      name: 'bot',
      size: bots,
      onLine: (line) => hearEvent(line, see),
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
      onLine: (line) => hearEvent(line, see) || hearLog(line, see),
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
    const history = openHistory(historyFile, 'harness');
    closers.push(() => history.close());
    return {
      ...{ startedUs, history, historyFile, keyspace },
      ...{ store, postgres, postgresLinks, pool, admin, seen, see, close },
      /** Sessions that were parked though no row was refused. @type {Set<string>} */
      parkedWrongly: new Set(),
      bots: botFleet,
      consumers: consumerFleet,
      /** The last version issued in each partition. */
      versionFloors: () => Promise.all(partitions.map((p) => admin.get(`${KEY_PREFIX}:{${p}}:hlc`))),
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

async function sum(counts) {
  return (await Promise.all(counts)).reduce((total, count) => total + count, 0);
}

function hearEvent(line, see) {
  const match = /^@ (.+) (\d+)$/.exec(line);
  if (match) see(match[1], Number(match[2]));
  return match !== null;
}

/** The consumer's log. */
function hearLog(line, see) {
  if (!line.startsWith('{')) return;
  let entry;
  try {
    entry = JSON.parse(line);
  } catch {
    return; // cut off by a kill
  }
  if (entry.msg === 'synced') {
    see('rows written', entry.written);
    see('stale upsert rejected', entry.duplicate + entry.superseded);
    see('superseded', entry.superseded);
    see('row parked', entry.parked);
    see('parked row held back', entry.held);
  } else if (entry.msg?.startsWith('PostgreSQL is away')) see('PostgreSQL away');
  else if (entry.msg?.startsWith('PostgreSQL refuses too many rows')) see('breaker opened');
  else if (entry.level >= 50)
    see(`logged: ${[entry.msg, entry.reason, entry.err?.message].filter(Boolean).join(': ').slice(0, 160)}`);
}
