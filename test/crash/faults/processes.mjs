// Bots and consumers that are killed, ended and stopped.
import { setTimeout as delay } from 'node:timers/promises';
import { between } from '../random.mjs';

const onConsumer = (random, { consumers }) => `consumers ${between(random, 0, consumers.size - 1)}`;
const onBot = (random, { bots }) => `bots ${between(random, 0, bots.size - 1)}`;

/** @type {import('./fault.mjs').Fault[]} */
export const processFaults = [
  { name: 'consumer SIGKILL', weight: 5, target: onConsumer, strike: killAndStart },
  { name: 'consumer SIGTERM', weight: 1, target: onConsumer, strike: stopAndStart },
  { name: 'consumer SIGSTOP past claim idle', weight: 4, target: onConsumer, strike: pauseFor(1000, 2400) },
  { name: 'bot SIGKILL', weight: 3, target: onBot, strike: killAndStart },
  { name: 'bot SIGSTOP', weight: 2, target: onBot, strike: pauseFor(300, 1800) },
];

function member(world, target) {
  const [fleet, i] = target.split(' ');
  return { fleet: world[fleet], i: Number(i) };
}

async function killAndStart({ world, random, target }) {
  const { fleet, i } = member(world, target);
  await fleet.end(i, 'SIGKILL');
  await delay(between(random, 0, 400));
  await fleet.start(i);
}

async function stopAndStart({ world, target }) {
  const { fleet, i } = member(world, target);
  await fleet.end(i, 'SIGTERM');
  await fleet.start(i);
}

function pauseFor(minMs, maxMs) {
  return async ({ world, random, target }) => {
    const { fleet, i } = member(world, target);
    fleet.pause(i);
    await delay(between(random, minMs, maxMs));
    fleet.resume(i);
  };
}
