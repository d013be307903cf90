// Processes of one kind that are killed, paused and started again, and what all of them ever told.
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { spawnNode } from '@cauce/dev-services';

/**
 * @param {object} options
 * @param {string} options.name `bot`, `consumer`
 * @param {number} options.size
 * @param {(proc: string) => Record<string, string>} options.envFor
 * @param {(line: string) => void} options.onLine told of each line a process wrote, when `listen` is called or it ended
 */
export function createFleet({ name, size, envFor, onLine }) {
  const members = Array.from({ length: size }, () => ({ child: undefined, lives: 0, isOurDoing: false }));
  const diedAlone = [];

  async function start(i) {
    const member = members[i];
    const proc = `${name}-${i}.${member.lives++}`;
    const env = { PATH: process.env.PATH ?? '', ...envFor(proc) };
    const child = await spawnNode(join(import.meta.dirname, `${name}-process.mjs`), [], { env });
    let heard = 0;
    const listen = () => {
      const output = child.output();
      const end = Math.max(heard, output.lastIndexOf('\n') + 1);
      for (const line of output.slice(heard, end).split('\n')) onLine(line);
      heard = end;
    };
    Object.assign(member, { child, listen, isOurDoing: false });
    void child.exit.then(({ code, signal }) => {
      listen();
      if (!member.isOurDoing) diedAlone.push({ proc, code, signal, output: child.output().slice(-2000) });
    });
  }

  async function end(i, signal) {
    const { child } = Object.assign(members[i], { isOurDoing: true });
    await child.kill(signal);
  }

  return {
    name,
    size,
    /** How many processes were started so far. */
    get started() {
      return members.reduce((sum, { lives }) => sum + lives, 0);
    },
    /** Processes that ended without being killed: each one fails the run. */
    diedAlone,
    /** Passes on what was written since. */
    listen() {
      for (const { listen } of members) listen?.();
    },
    startAll: () => Promise.all(members.map((_, i) => start(i))),
    start,
    end,
    pause: (i) => members[i].child.pause(),
    resume: (i) => members[i].child.resume(),
    /** Asks all to finish what they are doing; those that do not within the deadline are killed. */
    async stopAll(deadlineMs) {
      await Promise.all(
        members.map(async (member, i) => {
          if (!member.child) return;
          const timer = new AbortController();
          const late = delay(deadlineMs, 'late', { signal: timer.signal }).catch(() => {});
          if ((await Promise.race([end(i, 'SIGTERM'), late])) === 'late') await member.child.kill('SIGKILL');
          timer.abort();
        }),
      );
    },
  };
}
