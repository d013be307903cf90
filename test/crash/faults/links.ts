// What may happen to the connections between the fleets and a server behind a proxy.
import { setTimeout as delay } from 'node:timers/promises';
import type { TcpProxy } from '@cauce/dev-services';
import { between, pick, type Random } from '../random.ts';
import { type FleetName, storeOf } from '../stores/store.ts';
import type { World } from '../world.ts';
import type { Fault, FaultContext } from './fault.ts';

const fleets: readonly FleetName[] = ['bots', 'consumers'];

export function linkFaults(server: 'redis' | 'postgres'): readonly Fault[] {
  const target = (random: Random) => `${pick(random, fleets)} to ${server}`;
  return [
    { name: `cut ${server}`, weight: 2, target, strike: cut },
    { name: `replies of ${server} held, then cut`, weight: 2, target, strike: holdAndCut },
    { name: `replies of ${server} held, then sent`, weight: 1, target, strike: holdReplies },
    { name: `requests to ${server} held, then sent`, weight: 2, target, strike: holdRequests },
    { name: `${server} far away`, weight: 1, target, strike: slowDown },
  ];
}

function linkOf(world: World, target: string): TcpProxy {
  const who = target.startsWith('bots') ? 'bots' : 'consumers';
  return target.endsWith('redis') ? storeOf('single', world).links[who] : world.postgresLinks[who];
}

async function cut({ world, target }: FaultContext): Promise<void> {
  linkOf(world, target).cutConnections();
}

async function holdAndCut({ world, random, target }: FaultContext): Promise<void> {
  const link = linkOf(world, target);
  link.holdReplies();
  // Longer than the consumer's patience now and then.
  await delay(random() < 0.15 ? 6000 : between(random, 300, 2500));
  link.cutConnections();
  link.releaseReplies();
}

async function holdReplies({ world, random, target }: FaultContext): Promise<void> {
  const link = linkOf(world, target);
  link.holdReplies();
  await delay(between(random, 200, 1500));
  link.releaseReplies();
}

async function holdRequests({ world, random, target }: FaultContext): Promise<void> {
  const link = linkOf(world, target);
  link.holdRequests();
  await delay(between(random, 200, 2500));
  link.releaseRequests();
}

async function slowDown({ world, random, target }: FaultContext): Promise<void> {
  const link = linkOf(world, target);
  link.latencyMs = between(random, 20, 120);
  await delay(between(random, 1000, 2500));
  link.latencyMs = 0;
}
