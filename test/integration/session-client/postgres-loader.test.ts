import { createPostgresLoader } from '@cauce/session-client/postgres';
import type pg from 'pg';
import { describe, expect, inject, it, onTestFinished, vi } from 'vitest';
import { eventually } from '../../helpers/eventually.ts';
import { connectPostgres, uniqueName } from '../../helpers/isolated.ts';
import { createRole } from '../../helpers/postgres-role.ts';
import { isolatedClient } from './client.ts';

/** A table as the sync consumer makes it, in a schema of its own. */
async function sessionTable(): Promise<{ pool: pg.Pool; schema: string; insert: Insert }> {
  const pool = connectPostgres();
  const schema = uniqueName();
  await pool.query(`CREATE SCHEMA ${schema}`);
  await pool.query(`CREATE TABLE ${schema}.session (
    tenant_id text COLLATE "C", user_id text COLLATE "C", state jsonb NULL, version bigint NOT NULL, operations text,
    PRIMARY KEY (tenant_id, user_id))`);
  const insert: Insert = async (tenantId, userId, state, version) => {
    const json = state === null ? null : JSON.stringify(state);
    await pool.query(`INSERT INTO ${schema}.session VALUES ($1, $2, $3, $4)`, [
      tenantId,
      userId,
      json,
      version,
    ]);
  };
  return { pool, schema, insert };
}

type Insert = (tenantId: string, userId: string, state: unknown, version: string) => Promise<void>;

describe('the PostgreSQL loader', () => {
  it('gives one answer for each ref, in order: state, tombstone or nothing, with exact versions', async () => {
    const { pool, schema, insert } = await sessionTable();
    await insert('a:b', 'c', { step: 'ñ 😀' }, '9007199254740993');
    await insert('a', 'b:c', null, '7');
    await insert('a', "'; DROP TABLE session; --", 'x', '1');
    const loader = createPostgresLoader({ pool, schema });
    const rows = await loader.load(
      [
        { tenantId: 'a', userId: 'b:c' },
        { tenantId: 'a', userId: 'nobody' },
        { tenantId: 'a', userId: "'; DROP TABLE session; --" },
        { tenantId: 'a:b', userId: 'c' },
        { tenantId: 'A:B', userId: 'c' },
      ],
      {},
    );
    expect(rows).toEqual([
      { state: '', version: '7', isTombstone: true },
      undefined,
      { state: '"x"', version: '1', isTombstone: false },
      { state: '{"step": "ñ 😀"}', version: '9007199254740993', isTombstone: false },
      undefined,
    ]);
  });

  it('restores sessions through the client, by URL, from a table of another name', async () => {
    const { pool, schema, insert } = await sessionTable();
    await insert('default', 'ana', { step: 'old' }, '5');
    await insert('default', 'eva', null, '6');
    await pool.query(`ALTER TABLE ${schema}.session RENAME TO bot_session`);
    await using loader = createPostgresLoader({
      databaseUrl: inject('databaseUrl'),
      schema,
      table: 'bot_session',
    });
    const { sessions } = isolatedClient({ loader });
    expect(await sessions.getUserStates(['eva', 'ana', 'nobody'])).toEqual([
      undefined,
      { step: 'old' },
      undefined,
    ]);
    expect(await sessions.getUserSession('ana')).toEqual({ state: { step: 'old' }, version: '5' });
  });

  it.each([
    ['of its own', () => ({ databaseUrl: inject('databaseUrl') })],
    ['with more connections that it was given', () => ({ pool: connectPostgres() })],
  ])(
    'gives up after timeoutMs, and asks at most maxConcurrent things at a time, on a pool %s',
    async (_, on) => {
      const { pool, schema, insert } = await sessionTable();
      await insert('default', 'u0', { step: 'old' }, '5');
      const blocker = await pool.connect();
      onTestFinished(() => blocker.release(true));
      await blocker.query(`BEGIN; LOCK TABLE ${schema}.session IN ACCESS EXCLUSIVE MODE`);
      await using loader = createPostgresLoader({ ...on(), schema, timeoutMs: 700, maxConcurrent: 2 });
      const { sessions } = isolatedClient({ loader });
      const startedMs = performance.now();
      const loads = Array.from({ length: 40 }, (_, i) =>
        sessions.getUserState(`u${i}`).catch((error: unknown) => error),
      );
      const waiting = async (): Promise<number> => {
        const { rows } = await pool.query(
          `SELECT count(*)::int AS count FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%${schema}.session%'`,
        );
        return rows[0].count;
      };
      await eventually(async () => expect(await waiting()).toBe(2));
      for (const outcome of await Promise.all(loads)) {
        expect(outcome).toMatchObject({ code: 'RESTORE_FAILED', retryable: true });
      }
      expect(performance.now() - startedMs).toBeLessThan(10_000);
      expect(await waiting()).toBeLessThanOrEqual(2);
      await blocker.query('ROLLBACK');
      expect(await eventually(() => sessions.getUserState('u0'))).toEqual({ step: 'old' });
    },
  );

  it('does not ask on behalf of those who gave up before their turn came', async () => {
    const { pool, schema } = await sessionTable();
    const blocker = await pool.connect();
    onTestFinished(() => blocker.release(true));
    await blocker.query(`BEGIN; LOCK TABLE ${schema}.session IN ACCESS EXCLUSIVE MODE`);
    const asked = connectPostgres();
    const connect = vi.spyOn(asked, 'connect');
    const loader = createPostgresLoader({ pool: asked, schema, timeoutMs: 500, maxConcurrent: 2 });
    const load = () => loader.load([{ tenantId: 'default', userId: 'ana' }], {});
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, load));
    expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true);
    await blocker.query('ROLLBACK');
    expect(await eventually(load)).toEqual([undefined]);
    expect(connect).toHaveBeenCalledTimes(3);
  });

  it('survives the loss of its idle connections', async () => {
    const { pool, schema, insert } = await sessionTable();
    await insert('default', 'ana', { step: 'old' }, '5');
    const role = await createRole(pool, inject('databaseUrl'), schema);
    await pool.query(`GRANT SELECT ON ${schema}.session TO ${role.name}`);
    const lost: Error[] = [];
    await using loader = createPostgresLoader({
      databaseUrl: role.url,
      schema,
      maxConcurrent: 1,
      onError: (error) => lost.push(error),
    });
    const load = () => loader.load([{ tenantId: 'default', userId: 'ana' }], {});
    await load();
    await pool.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1', [
      role.name,
    ]);
    await eventually(() => expect(lost).toHaveLength(1));
    expect(await load()).toMatchObject([{ version: '5' }]);
  });

  it('close ends the pool it opened and no other', async () => {
    const { pool, schema } = await sessionTable();
    const own = createPostgresLoader({ databaseUrl: inject('databaseUrl'), schema });
    const onPool = createPostgresLoader({ pool, schema });
    await Promise.all([own.close(), own.close(), onPool.close()]);
    await expect(own.load([{ tenantId: 'a', userId: 'b' }], {})).rejects.toThrow();
    expect(await onPool.load([{ tenantId: 'a', userId: 'b' }], {})).toEqual([undefined]);
  });
});
