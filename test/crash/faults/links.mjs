// What may happen to the connections between the fleets and a server that stand behind a proxy.
import { setTimeout as delay } from 'node:timers/promises';
import { between, pick } from '../random.mjs';

/** @param {'redis' | 'postgres'} server @returns {import('./fault.mjs').Fault[]} */
export function linkFaults(server) {
  const target = (random) => `${pick(random, ['bots', 'consumers'])} to ${server}`;
  return [
    { name: `cut ${server}`, weight: 2, target, strike: cut },
    { name: `replies of ${server} held, then cut`, weight: 2, target, strike: holdAndCut },
    { name: `replies of ${server} held, then sent`, weight: 1, target, strike: holdReplies },
    { name: `requests to ${server} held, then sent`, weight: 2, target, strike: holdRequests },
    { name: `${server} far away`, weight: 1, target, strike: slowDown },
  ];
}

function linkOf(world, target) {
  const [who, , server] = target.split(' ');
  return server === 'redis' ? world.store.links[who] : world.postgresLinks[who];
}

async function cut({ world, target }) {
  linkOf(world, target).cutConnections();
}

async function holdAndCut({ world, random, target }) {
  const link = linkOf(world, target);
  link.holdReplies();
  // Longer than the consumer's patience now and then.
  await delay(random() < 0.15 ? 6000 : between(random, 300, 2500));
  link.cutConnections();
  link.releaseReplies();
}

async function holdReplies({ world, random, target }) {
  const link = linkOf(world, target);
  link.holdReplies();
  await delay(between(random, 200, 1500));
  link.releaseReplies();
}

async function holdRequests({ world, random, target }) {
  const link = linkOf(world, target);
  link.holdRequests();
  await delay(between(random, 200, 2500));
  link.releaseRequests();
}

async function slowDown({ world, random, target }) {
  const link = linkOf(world, target);
  link.latencyMs = between(random, 20, 120);
  await delay(between(random, 1000, 2500));
  link.latencyMs = 0;
}
