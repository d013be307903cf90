import { join } from 'node:path';
import { type SpawnedProcess, spawnNode } from '@cauce/dev-services';
import type { SyncPhase } from '@cauce/sync-consumer';
import { onTestFinished } from 'vitest';
import type { Pipeline } from './pipeline.ts';

const root = join(import.meta.dirname, '../..');

/** A consumer in a process of its own that stops at `pauseAt`; killed after the test. */
export async function spawnPausingConsumer(
  pipeline: Pipeline,
  pauseAt: SyncPhase | 'none',
  env: Record<string, string> = {},
): Promise<SpawnedProcess & { untilPaused(): Promise<string> }> {
  const script = join(root, 'test/fixtures/dist/pausing-consumer.js');
  const child = await spawn(script, [pauseAt], { ...pipeline.env, ...env });
  return Object.assign(child, { untilPaused: () => child.waitForLine(`paused at ${pauseAt}`) });
}

/** The real `cauce-sync`, from the build; killed after the test. */
export function spawnCauceSync(
  pipeline: Pipeline,
  env: Record<string, string> = {},
): Promise<SpawnedProcess> {
  return spawn(join(root, 'packages/sync-consumer/dist/main.js'), [], { ...pipeline.env, ...env });
}

/** The real `cauce`, from the build, until it ends. */
export async function runCauce(
  pipeline: Pipeline,
  args: string[],
): Promise<{ code: number | null; output: string }> {
  const child = await spawn(join(root, 'packages/cli/dist/main.js'), args, pipeline.env);
  const { code } = await child.exit;
  return { code, output: child.output() };
}

async function spawn(script: string, args: string[], env: Record<string, string>): Promise<SpawnedProcess> {
  const child = await spawnNode(script, args, { env: { PATH: process.env.PATH ?? '', ...env }, cwd: root });
  onTestFinished(async () => {
    await child.kill();
  });
  return child;
}
