import { findPostgres, findRedis, providePostgres, provideRedis, startServices } from '@cauce/dev-services';
import { describe, expect, it } from 'vitest';

describe('services', () => {
  it('uses what the environment names, and starts the rest privately', async () => {
    const url = 'redis://somewhere.example:6380';
    await using services = await startServices({ env: { ...process.env, REDIS_URL: url, DATABASE_URL: '' } });
    expect(services.redis).toEqual({ kind: 'external', url });
    expect(services.postgres.kind).toBe('private');
    expect(services.postgres.url).toMatch(/^postgres:\/\/cauce@127\.0\.0\.1:\d+\/cauce$/);
  });

  it('stops the server that started when the other one cannot', async () => {
    const failing = startServices({
      env: { PATH: process.env.PATH },
      postgres: { settings: { no_such_setting: '1' } },
    });
    await expect(failing).rejects.toMatchObject({ code: 'START_FAILED' });
  });
});

describe('binaries', () => {
  const nowhere = { env: { PATH: '' }, cacheFolder: '/nonexistent', versionFolders: ['/nonexistent'] };

  it('are found with their version', async () => {
    const redis = await findRedis();
    const postgres = await findPostgres();
    expect(redis.binaries?.version).toMatch(/^\d+\.\d+/);
    expect(postgres.binaries?.version).toMatch(/^\d+/);
  });

  it('that are missing lead to one error that says what was tried and what to do', async () => {
    await expect(provideRedis({ ...nowhere, mayInstall: false })).rejects.toMatchObject({
      code: 'SERVER_MISSING',
      message: expect.stringMatching(
        /no redis-server on PATH[\s\S]*docker compose up --wait[\s\S]*REDIS_URL/,
      ),
    });
    await expect(providePostgres({ ...nowhere, mayInstall: false })).rejects.toMatchObject({
      code: 'SERVER_MISSING',
      message: expect.stringMatching(/no initdb on PATH[\s\S]*docker compose up --wait[\s\S]*DATABASE_URL/),
    });
  });

  it('that cannot be installed either say why', async () => {
    await expect(provideRedis(nowhere)).rejects.toThrow('no apt-get');
    await expect(providePostgres(nowhere)).rejects.toThrow('there is no npm on PATH');
  });
});
