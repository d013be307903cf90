// How much memory Redis takes for synced sessions: 10,000 of 1 KB by default.
// node bench/redis-memory.mjs [sessions] [bytes]
import { startServices } from '@cauce/dev-services';
import { createKeyspace, parseInfo } from '@cauce/protocol';
import { createSessionClient } from '@cauce/session-client';
import { measureBacklog, migrate, syncToDB } from '@cauce/sync-consumer';
import { Redis } from 'ioredis';

const sessions = Number(process.argv[2] ?? 10_000);
const bytes = Number(process.argv[3] ?? 1024);
const CONCURRENCY = 100;

const services = await startServices({ env: { PATH: process.env.PATH } });
const redis = new Redis(services.redis.url);
try {
  const usedBytes = async () => Number(parseInfo(await redis.info('memory')).get('used_memory'));
  await migrate({ databaseUrl: services.postgres.url, schema: 'public', table: 'session' });
  const atStart = await usedBytes();

  const client = createSessionClient({ redis: services.redis.url });
  const state = (i) => {
    const rest = { step: 'menu', user: i, text: '' };
    return { ...rest, text: 'x'.repeat(bytes - JSON.stringify(rest).length) };
  };
  for (let i = 0; i < sessions; i += CONCURRENCY) {
    const saves = Array.from({ length: CONCURRENCY }, (_, j) =>
      client.saveUserState({ tenantId: `tenant${j % 5}`, userId: `user${i + j}` }, state(i + j)),
    );
    await Promise.all(saves);
  }
  await client.close();
  const dirty = await usedBytes();

  while ((await measureBacklog(redis, createKeyspace())).dirtySessions > 0) {
    await syncToDB({ redis: services.redis.url, database: services.postgres.url });
  }
  const synced = await usedBytes();

  const row = (name, value) => [name, (value / 1e6).toFixed(1), Math.round((value - atStart) / sessions)];
  console.log(`${sessions} sessions with a state of ${JSON.stringify(state(0)).length} bytes\n`);
  console.log('| | used_memory, MB | bytes a session |\n|---|---|---|');
  for (const [name, mb, each] of [
    row('empty', atStart),
    row('all dirty', dirty),
    row('all synced', synced),
  ]) {
    console.log(`| ${name} | ${mb} | ${each} |`);
  }
} finally {
  redis.disconnect();
  await services.stop();
}
