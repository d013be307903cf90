import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { runCauce, spawnCauceSync } from '../helpers/consumer-process.ts';
import { eventually } from '../helpers/eventually.ts';
import { ownRedis } from '../helpers/own-servers.ts';
import { createPipeline } from '../helpers/pipeline.ts';

const KIB = 1024;
/** What docs/operations.md says a consumer needs, at most. */
const DOCUMENTED_KIB = 256 * KIB;

test.each([
  { heapMib: 64, sessions: 600, stateBytes: 250 * KIB },
  { heapMib: 96, sessions: 40, stateBytes: 4096 * KIB },
])(
  'with $heapMib MiB of heap a consumer syncs, and cauce verifies, $sessions states of $stateBytes bytes',
  async ({ heapMib, sessions, stateBytes }) => {
    const redis = await ownRedis({ appendOnly: false });
    const pipeline = await createPipeline({ redisUrl: redis.url, partitions: 64 });
    // The one character makes JavaScript keep two bytes for each of the others.
    const filler = `€${'x'.repeat(stateBytes - 40)}`;
    const refs = Array.from({ length: sessions }, (_, i) => ({ tenantId: 'acme', userId: `user${i}` }));
    for (const [i, ref] of refs.entries()) await pipeline.save(ref, { i, filler });

    const env = { NODE_OPTIONS: `--max-old-space-size=${heapMib}` };
    const consumer = await spawnCauceSync(pipeline, env);
    const ended = consumer.exit.then(({ code, signal }) => {
      throw new Error(`the consumer ended: ${code ?? signal}\n${consumer.output().slice(-2000)}`);
    });
    await Promise.race([eventually(async () => expect(await pipeline.countDirty()).toBe(0), 90_000), ended]);
    if (process.platform === 'linux') expect(peakKib(consumer.pid)).toBeLessThan(DOCUMENTED_KIB);
    const { rows } = await pipeline.pool.query<{ rows: number }>(
      `SELECT count(*)::int AS rows FROM ${pipeline.table} WHERE length(state ->> 'filler') = $1`,
      [filler.length],
    );
    expect(rows[0]?.rows).toBe(sessions);

    const verified = await runCauce({ ...pipeline, env: { ...pipeline.env, ...env } }, ['verify', '--json']);
    expect({ code: verified.code, result: JSON.parse(verified.output) }).toMatchObject({
      code: 0,
      result: { checked: sessions, different: 0 },
    });
  },
  120_000,
);

/** The most memory a process ever had, KiB. */
function peakKib(pid: number): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}
