import { expect, it } from 'vitest';
import { scriptCases, scriptMethods } from './script-cases.ts';
import { createWorld } from './world.ts';

it.each(scriptMethods)('P7 %s works when Redis forgot the script between two calls', async (method) => {
  const flushed = createWorld();
  const { prepare, run } = scriptCases(flushed)[method];
  await prepare();
  // The connection has sent the script's text once, so the next call sends its hash alone.
  await run();
  const calm = createWorld();
  const same = scriptCases(calm)[method];
  await same.prepare();
  await same.run();

  await flushed.redis.script('FLUSH', 'SYNC');
  const reply = await run();
  const outcomeOf = (value: unknown): string =>
    JSON.stringify(value)
      .replace(/\d{13,16}/g, 'a time')
      .replace(/[\w-]+=a time/g, 'an operation');
  expect(outcomeOf(reply)).toBe(outcomeOf(await same.run()));
});

it('P7 saves of one session go on while somebody flushes the scripts all the time', async () => {
  const world = createWorld();
  const session = world.session();
  const saves: Promise<string>[] = [];
  for (let i = 0; i < 50; i++) {
    saves.push(world.save(session));
    if (i % 5 === 0) await world.redis.script('FLUSH', 'SYNC');
  }
  expect(new Set(await Promise.all(saves)).size).toBe(50);
  expect(await world.announced()).toEqual([session.key]);
});
