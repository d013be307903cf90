import {
  type Acknowledged,
  type ChatState,
  type ComparedStores,
  compareStores,
  createBot,
} from '@cauce/example-bot';
import { createSessionClient } from '@cauce/session-client';
import { describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../helpers/eventually.ts';
import { createPipeline, type Pipeline } from '../helpers/pipeline.ts';

const state = { step: 'paid', cart: [], transcript: ['user: café'], paidOrders: 1, updatedAtMs: 1 } as const;

function storesOf({ redis, pool, keyspace, settings }: Pipeline): ComparedStores {
  return { redis, pool, keyspace, schema: String(settings.SESSION_DB_SCHEMA), table: 'session' };
}

/** One session for each name, saved, synced, and remembered as it is. */
async function synced(...names: string[]): Promise<{ pipeline: Pipeline; memory: Acknowledged[] }> {
  const pipeline = await createPipeline();
  pipeline.startSync();
  const memory: Acknowledged[] = [];
  for (const userId of names) {
    const ref = { tenantId: 'shop', userId };
    const version = userId === 'cleared' ? await pipeline.clear(ref) : await pipeline.save(ref, state);
    memory.push({ ...ref, version, state: userId === 'cleared' ? null : state, isUncertain: false });
  }
  await eventually(async () => expect(await pipeline.countDirty()).toBe(0));
  return { pipeline, memory };
}

describe('the comparison at the end of the demo', () => {
  it('finds nothing when the memory, Redis and PostgreSQL agree', async () => {
    const { pipeline, memory } = await synced('saved', 'cleared');
    expect(await compareStores(memory, storesOf(pipeline))).toEqual({
      remembered: 2,
      inRedis: 2,
      rows: 2,
      cleared: 1,
      differences: [],
    });
  });

  it.each([
    ['a row that is gone', "DELETE FROM {table} WHERE user_id = 'saved'", /^shop\/saved: lost, no row/],
    [
      'a row that is older',
      'UPDATE {table} SET version = version - 1',
      /^shop\/saved: lost, the row has version/,
    ],
    ['a row that is newer', 'UPDATE {table} SET version = version + 1', /^shop\/saved: the row has version/],
    ['a row with another state', `UPDATE {table} SET state = '{"step":"paid"}'`, /another state/],
    ['a row that became a tombstone', 'UPDATE {table} SET state = NULL', /is a tombstone/],
  ])('finds %s', async (_, sql, expected) => {
    const { pipeline, memory } = await synced('saved');
    await pipeline.pool.query(sql.replace('{table}', pipeline.table));
    const { differences } = await compareStores(memory, storesOf(pipeline));
    // Once for the bot's memory, once for Redis.
    expect(differences).toHaveLength(2);
    for (const difference of differences) expect(difference).toMatch(expected);
  });

  it('finds a save that the stores have and the bot does not know of, and one it cannot be sure of', async () => {
    const { pipeline, memory } = await synced('unknown', 'uncertain');
    const [, uncertain] = memory;
    if (!uncertain) throw new Error('two were synced');
    const { differences } = await compareStores([{ ...uncertain, isUncertain: true }], storesOf(pipeline));
    expect(differences).toEqual([
      expect.stringMatching(/^shop\/uncertain: its last save was never answered/),
      expect.stringMatching(/^shop\/unknown: no bot got an answer/),
    ]);
  });
});

describe('the example bot', () => {
  it('goes on where the conversation was left, for each tenant by itself, and forgets it at the end', async () => {
    const { redisUrl, keyspace } = await createPipeline();
    const sessions = createSessionClient<ChatState>({
      redis: redisUrl,
      keyPrefix: keyspace.keyPrefix,
      partitions: keyspace.partitions,
    });
    onTestFinished(() => sessions.close());
    const say = async (tenantId: string, ...texts: string[]): Promise<string> => {
      let answer = '';
      // A bot of its own for each message: whatever is remembered is in the session.
      for (const text of texts) answer = (await createBot(sessions).onMessage(tenantId, 'ana', text)).text;
      return answer;
    };
    expect(await say('shop', 'hello', 'menu', 'arepa', 'pay')).toBe('Card or cash?');
    expect(await say('other', 'pay')).toContain('Hello!');
    expect(await say('shop', 'card')).toContain('Thank you!');
    expect(await sessions.getUserState({ tenantId: 'shop', userId: 'ana' })).toMatchObject({ paidOrders: 1 });
    expect(await say('shop', 'bye')).toBe('Goodbye!');
    expect(await sessions.getUserState({ tenantId: 'shop', userId: 'ana' })).toBeUndefined();
  });
});
