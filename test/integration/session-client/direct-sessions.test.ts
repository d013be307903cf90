import { startTcpProxy } from '@cauce/dev-services';
import { migrate } from '@cauce/postgres/migrate';
import type { SessionClient } from '@cauce/session-client';
import { createDirectSessions, type DirectSessionsOptions } from '@cauce/session-client/postgres';
import type pg from 'pg';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { eventually } from '../../helpers/eventually.ts';
import { connectPostgres, uniqueName } from '../../helpers/isolated.ts';
import { storeMode } from '../../helpers/writer-mode.ts';
import type { State } from './client.ts';

type Options = Partial<Extract<DirectSessionsOptions<State>, { databaseUrl: string }>>;

interface Direct {
  readonly pool: pg.Pool;
  readonly table: string;
  setMode(mode: string): Promise<void>;
  open(options?: Options): SessionClient<State>;
}

async function direct(): Promise<Direct> {
  const databaseUrl = inject('databaseUrl');
  const schema = uniqueName();
  const pool = connectPostgres();
  await migrate({ databaseUrl, schema, table: 'session' });
  const setMode = (mode: string) => storeMode(pool, { schema, partitions: 64, mode });
  await setMode('direct');
  return {
    ...{ pool, setMode, table: `"${schema}"."session"` },
    open(options = {}) {
      const sessions = createDirectSessions<State>({ databaseUrl, schema, ...options });
      onTestFinished(() => sessions.close());
      return sessions;
    },
  };
}

describe('P10 a partition that is not in direct mode', () => {
  it.each([
    ['to_redis', 'MODE_MOVING', true],
    ['to_direct', 'MODE_MOVING', true],
    ['redis', 'MODE_REDIS', false],
  ])('%s refuses saves, clears and updates, and changes nothing', async (mode, reason, retryable) => {
    const { open, setMode, pool, table } = await direct();
    const sessions = open();
    await sessions.saveUserState('ana', { step: 'before' });
    await setMode(mode);
    const refused = { code: 'SAVE_REJECTED', retryable, failure: { effect: 'refused', retryable, reason } };
    await expect(sessions.saveUserState('ana', { step: 'after' })).rejects.toMatchObject(refused);
    await expect(sessions.clearUserState('ana')).rejects.toMatchObject(refused);
    const { rows } = await pool.query(`SELECT state FROM ${table}`);
    expect(rows).toEqual([{ state: { step: 'before' } }]);
  });

  it('is read while it is moved to Redis, for nobody saves then, and not after that', async () => {
    const { open, setMode } = await direct();
    const sessions = open();
    await sessions.saveUserState('ana', { step: 'before' });
    await setMode('to_redis');
    expect(await sessions.getUserState('ana')).toEqual({ step: 'before' });
    for (const mode of ['redis', 'to_direct']) {
      await setMode(mode);
      const failed = { code: 'RESTORE_FAILED', retryable: true };
      await expect(sessions.getUserState('ana')).rejects.toMatchObject(failed);
      await expect(sessions.getUserStates(['ana', 'eva'])).rejects.toMatchObject(failed);
      await expect(sessions.updateUserState('ana', () => ({}))).rejects.toMatchObject(failed);
    }
  });

  it('with another number of partitions is refused as another layout', async () => {
    const { open } = await direct();
    const sessions = open({ partitions: 32 });
    await expect(sessions.saveUserState('ana', {})).rejects.toMatchObject({ code: 'LAYOUT_MISMATCH' });
    await expect(sessions.getUserState('ana')).rejects.toMatchObject({ code: 'LAYOUT_MISMATCH' });
  });
});

describe('a direct save without an answer', () => {
  it('is unknown, and its repetition is recognised, whatever was saved in between', async () => {
    const { open } = await direct();
    const databaseUrl = inject('databaseUrl');
    const link = await startTcpProxy({ targetPort: Number(new URL(databaseUrl).port) });
    onTestFinished(() => link.stop());
    const sessions = open({ databaseUrl: link.urlFor(databaseUrl), timeoutMs: 500, maxConcurrent: 2 });
    const other = open();
    await sessions.saveUserState('ana', { step: 'first' });
    link.dropReplies();
    const unknown = await sessions.saveUserState('ana', { step: 'lost' }).catch((error: unknown) => error);
    expect(unknown).toMatchObject({
      ...{ code: 'SAVE_UNKNOWN', retryable: true, opId: expect.any(String) },
      failure: { effect: 'unknown', retryable: true, reason: 'TIMEOUT' },
    });
    link.cutConnections();
    link.releaseReplies();
    await other.saveUserState('ana', { step: 'newer' });
    const { opId } = unknown as { opId: string };
    const repeated = await sessions.saveUserState('ana', { step: 'lost' }, { opId });
    expect(repeated).toMatchObject({ isReplay: true, durability: 'postgres' });
    expect(await other.getUserState('ana')).toEqual({ step: 'newer' });
  });

  it('of an update is made once', async () => {
    const { open, pool, table } = await direct();
    const databaseUrl = inject('databaseUrl');
    const link = await startTcpProxy({ targetPort: Number(new URL(databaseUrl).port) });
    onTestFinished(() => link.stop());
    const sessions = open({ databaseUrl: link.urlFor(databaseUrl), timeoutMs: 30_000, maxConcurrent: 2 });
    await sessions.saveUserState('ana', { count: 1 });
    let changes = 0;
    const updating = sessions.updateUserState('ana', (state) => {
      changes++;
      link.dropReplies();
      return { count: (state?.count ?? 0) + 1 };
    });
    await eventually(async () =>
      expect((await pool.query(`SELECT state FROM ${table}`)).rows).toEqual([{ state: { count: 2 } }]),
    );
    link.cutConnections();
    link.releaseReplies();
    await updating;
    expect([await sessions.getUserState('ana'), changes]).toEqual([{ count: 2 }, 1]);
  });
});

describe('PostgreSQL', () => {
  it('that cannot be reached refuses the save, and fails the load', async () => {
    const { open } = await direct();
    const sessions = open({ databaseUrl: 'postgres://bot:hunter2@127.0.0.1:1/nowhere' });
    const saved = await sessions.saveUserState('ana', {}).catch((error: unknown) => error);
    expect(saved).toMatchObject({
      ...{ code: 'SAVE_REJECTED', retryable: true },
      failure: { effect: 'refused', reason: 'ECONNREFUSED' },
    });
    const loaded = await sessions.getUserState('ana').catch((error: unknown) => error);
    expect(loaded).toMatchObject({ code: 'RESTORE_FAILED', retryable: true });
    for (const error of [saved, loaded]) expect(whole(error)).not.toMatch(/hunter2|ana/);
  });

  it('that was not migrated is named in the error, without the state', async () => {
    const { open } = await direct();
    const sessions = open({ table: 'nothing' });
    const saved = await sessions.saveUserState('ana', { step: 'hunter2' }).catch((error: unknown) => error);
    expect(saved).toMatchObject({ code: 'SAVE_REJECTED', retryable: false });
    expect(String(saved)).toContain('cauce migrate');
    expect(whole(saved)).not.toMatch(/hunter2/);
  });
});

it('the info of a tenant is loaded each time, once at a time, and checked as JSON', async () => {
  const { open } = await direct();
  const sessions = open();
  let loads = 0;
  const load = () => Promise.resolve({ loads: ++loads });
  const [one, two] = await Promise.all([
    sessions.getTenantInfo('acme', load),
    sessions.getTenantInfo('acme', load),
  ]);
  expect([one, two]).toEqual([{ loads: 1 }, { loads: 1 }]);
  expect(one).not.toBe(two);
  expect(await sessions.getTenantInfo('acme', load)).toEqual({ loads: 2 });
  await sessions.invalidateTenant('acme');
  await expect(sessions.getTenantInfo('acme', () => Number.NaN)).rejects.toMatchObject({
    code: 'STATE_REJECTED',
  });
  const failing = sessions.getTenantInfo('acme', () => Promise.reject(new Error('mine')));
  await expect(failing).rejects.toMatchObject({ code: 'TENANT_LOAD_FAILED' });
});

it('options out of their bounds are listed, all of them', async () => {
  expect(() =>
    createDirectSessions({ databaseUrl: 'mysql://x', partitions: 3, maxStateBytes: 0 } as never),
  ).toThrow(/partitions is 3.*maxStateBytes is 0/);
  expect(() => createDirectSessions({ databaseUrl: 'mysql://x' } as never)).toThrow(/postgres:\/\/ URL/);
});

function whole(error: unknown): string {
  const { message, stack, cause } = error as Error;
  return JSON.stringify(error) + message + stack + (cause === undefined ? '' : whole(cause));
}
