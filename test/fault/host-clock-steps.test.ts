import { readHeartbeats } from '@cauce/admin';
import { hostClocks } from '@cauce/protocol';
import { expect, test } from 'vitest';
import { eventually } from '../helpers/eventually.ts';
import { expectSynced, saveUsers, userIds } from '../helpers/expect-synced.ts';
import { createPipeline } from '../helpers/pipeline.ts';

const HOUR_MS = 3_600_000;

test.each([-1, 1])(
  "the clock of a consumer's host steps by %i h: it syncs on as before, and only its times of day follow",
  async (hours) => {
    const pipeline = await createPipeline();
    let stepMs = 0;
    const clocks = { ...hostClocks, wallClockMs: () => hostClocks.wallClockMs() + stepMs };
    const { consumer } = pipeline.startSync({}, { clocks });
    const acknowledged = await saveUsers(pipeline, userIds(20), { step: 1 });
    await expectSynced(pipeline, acknowledged);

    stepMs = hours * HOUR_MS;
    for (const step of [2, 3]) {
      await saveUsers(pipeline, userIds(20), { step }, acknowledged);
      await expectSynced(pipeline, acknowledged);
    }
    expect(consumer.readiness).toEqual({ isReady: true });
    await eventually(async () => {
      const [heartbeat] = await readHeartbeats(pipeline.redis, pipeline.keyspace, clocks);
      for (const timeMs of [heartbeat?.seenAtMs, heartbeat?.lastSyncAtMs]) {
        expect(Math.abs((timeMs ?? 0) - clocks.wallClockMs())).toBeLessThan(HOUR_MS / 2);
      }
    });
  },
);
