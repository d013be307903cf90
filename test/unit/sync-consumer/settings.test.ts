import { ConfigurationError, completeSettings, readSettings, syncToDB } from '@cauce/sync-consumer';
import { describe, expect, test } from 'vitest';
import { consumerOptions } from '../../../packages/sync-consumer/src/config.ts';

const urls = { REDIS_URL: 'redis://localhost', DATABASE_URL: 'postgres://localhost/db' };

describe('readSettings', () => {
  test('names every problem at once, with what was received and what is allowed, and no secret', () => {
    const env = {
      REDIS_URL: 'http://user:s3cr3t-CANARY@host',
      SYNC_BATCH_ROWS: '501',
      SESSION_DB_SCHEMA: 'x"; DROP',
      SESSION_PARTITIONS: '12',
    };
    let thrown: unknown;
    try {
      readSettings(env);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(ConfigurationError);
    const { message, problems } = thrown as ConfigurationError;
    expect(problems.map(({ name }) => name).sort()).toEqual(
      ['DATABASE_URL', 'REDIS_URL', 'SESSION_DB_SCHEMA', 'SESSION_PARTITIONS', 'SYNC_BATCH_ROWS'].sort(),
    );
    for (const { name } of problems) expect(message).toContain(name);
    expect(message).toContain('"501"');
    expect(message).toContain('from 1 to 500');
    expect(message).not.toContain('CANARY');
  });

  test('refuses sessions that would outlive their rows, and names both settings', () => {
    const days = (ttlDays: number, historyDays: number) => ({
      ...urls,
      SESSION_TTL: String(ttlDays * 86_400),
      SESSION_HISTORY_DAYS: String(historyDays),
    });
    expect(readSettings(days(7, 7))).toMatchObject({ SESSION_HISTORY_DAYS: 7 });
    expect(() => readSettings({ ...days(7, 7), SESSION_TTL: String(7 * 86_400 + 1) })).toThrow(
      /SESSION_TTL .*SESSION_HISTORY_DAYS/,
    );
    expect(() => readSettings(days(31, 30))).toThrow(ConfigurationError);
  });

  test('asks for both stores, and for nothing else', () => {
    expect(() => readSettings({})).toThrow(/^REDIS_URL is missing.*\nDATABASE_URL is missing.*$/);
    expect(readSettings(urls)).toMatchObject({ ...urls, SYNC_BATCH_ROWS: 500 });
  });

  test('settings that are wrong are an option that is wrong', () => {
    const wrong = { code: 'INVALID_OPTION', retryable: false, name: 'ConfigurationError' };
    expect(() => readSettings({})).toThrow(expect.objectContaining(wrong));
  });
});

test('every setting of the consumer reaches its option, seconds as milliseconds', () => {
  const settings = readSettings({
    ...urls,
    SESSION_DB_SCHEMA: 'chat',
    SESSION_DB_TABLE: 'talk',
    SESSION_SYNC_INTERVAL: '11',
    SYNC_EARLY_SESSIONS: '12',
    SYNC_BATCH_ROWS: '13',
    SYNC_BATCHES_IN_FLIGHT: '14',
    SESSION_TTL: '15',
    SYNC_CLAIM_IDLE: '116',
    SYNC_SWEEP_AFTER: '117',
    SESSION_HISTORY_DAYS: '18',
    SYNC_PARK_LIMIT: '19',
  });
  expect(consumerOptions(settings)).toMatchObject({
    schema: 'chat',
    table: 'talk',
    syncIntervalMs: 11,
    earlySessions: 12,
    batchRows: 13,
    batchesInFlight: 14,
    sessionTtlMs: 15_000,
    claimIdleMs: 116,
    sweepAfterMs: 117,
    historyDays: 18,
    parkLimit: 19,
  });
});

test('the server gives up on a lock before the statement, and on the statement before the caller does', () => {
  const { lockTimeoutMs, statementTimeoutMs, claimIdleMs } = consumerOptions(readSettings(urls));
  expect(lockTimeoutMs).toBeLessThan(statementTimeoutMs);
  // 15,000: the pool's own limit.
  expect(statementTimeoutMs).toBeLessThan(15_000);
  expect(statementTimeoutMs).toBeLessThan(claimIdleMs);
});

describe('settings of a consumer that runs inside another program', () => {
  test('are the defaults but for what is given', () => {
    expect(completeSettings({ SYNC_BATCH_ROWS: 7, SESSION_METRICS_ENABLED: false })).toMatchObject({
      SYNC_BATCH_ROWS: 7,
      SESSION_METRICS_ENABLED: false,
      SESSION_TTL: 3600,
    });
  });

  test('are refused out of bounds, and where they contradict each other, before anything is opened', async () => {
    const stores = { redis: 'redis://127.0.0.1:1', database: 'postgres://127.0.0.1:1/none' };
    for (const settings of [{ SYNC_BATCH_ROWS: 0 }, { SESSION_TTL: 86_401, SESSION_HISTORY_DAYS: 1 }]) {
      await expect(syncToDB({ ...stores, settings })).rejects.toThrow(ConfigurationError);
    }
  });
});
