// Bots and consumers that are killed, ended and stopped.
import { setTimeout as delay } from 'node:timers/promises';
import { between, type Random } from '../random.ts';
import type { World } from '../world.ts';
import type { Fault, FaultContext, FleetSizes } from './fault.ts';

const onConsumer = (random: Random, { consumers }: FleetSizes) =>
  `consumers ${between(random, 0, consumers.size - 1)}`;
const onBot = (random: Random, { bots }: FleetSizes) => `bots ${between(random, 0, bots.size - 1)}`;

export const processFaults: readonly Fault[] = [
  { name: 'consumer SIGKILL', weight: 5, target: onConsumer, strike: killAndStart },
  { name: 'consumer SIGTERM', weight: 1, target: onConsumer, strike: stopAndStart },
  { name: 'consumer SIGSTOP past claim idle', weight: 4, target: onConsumer, strike: pauseFor(1000, 2400) },
  { name: 'bot SIGKILL', weight: 3, target: onBot, strike: killAndStart },
  { name: 'bot SIGSTOP', weight: 2, target: onBot, strike: pauseFor(300, 1800) },
];

function member(world: World, target: string) {
  const [name, i] = target.split(' ');
  return { fleet: name === 'bots' ? world.bots : world.consumers, i: Number(i) };
}

async function killAndStart({ world, random, target }: FaultContext): Promise<void> {
  const { fleet, i } = member(world, target);
  await fleet.end(i, 'SIGKILL');
  await delay(between(random, 0, 400));
  await fleet.start(i);
}

async function stopAndStart({ world, target }: FaultContext): Promise<void> {
  const { fleet, i } = member(world, target);
  await fleet.end(i, 'SIGTERM');
  await fleet.start(i);
}

function pauseFor(minMs: number, maxMs: number) {
  return async ({ world, random, target }: FaultContext): Promise<void> => {
    const { fleet, i } = member(world, target);
    fleet.pause(i);
    await delay(between(random, minMs, maxMs));
    fleet.resume(i);
  };
}
