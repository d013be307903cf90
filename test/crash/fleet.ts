// Processes of one kind that are killed, paused and started again, and what all of them ever wrote.
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type ExitStatus, type SpawnedProcess, spawnNode } from '@cauce/dev-services';

export interface FleetOptions {
  readonly name: 'bot' | 'consumer';
  readonly size: number;
  readonly envFor: (proc: string) => Record<string, string>;
  /** Called for each line a process wrote, when `listen` is called or it ended. */
  readonly onLine: (line: string) => void;
}

/** A process that ended without being killed: each one fails the run. */
export interface LoneDeath extends ExitStatus {
  readonly proc: string;
  readonly output: string;
}

interface Member {
  child?: SpawnedProcess;
  /** Passes on what was written since. */
  listen?: () => void;
  lives: number;
  isOurDoing: boolean;
}

export type Fleet = ReturnType<typeof createFleet>;

export function createFleet({ name, size, envFor, onLine }: FleetOptions) {
  const members = Array.from({ length: size }, (): Member => ({ lives: 0, isOurDoing: false }));
  const diedAlone: LoneDeath[] = [];

  function memberAt(i: number): Member {
    const member = members[i];
    if (!member) throw new Error(`there is no ${name} ${i}`);
    return member;
  }

  function running(i: number): SpawnedProcess {
    const { child } = memberAt(i);
    if (!child) throw new Error(`${name} ${i} was never started`);
    return child;
  }

  async function start(i: number): Promise<void> {
    const member = memberAt(i);
    const proc = `${name}-${i}.${member.lives++}`;
    const env = { PATH: process.env.PATH ?? '', ...envFor(proc) };
    const child = await spawnNode(join(import.meta.dirname, `${name}-process.js`), [], { env });
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

  async function end(i: number, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = running(i);
    memberAt(i).isOurDoing = true;
    await child.kill(signal);
  }

  return {
    name,
    size,
    /** How many processes were started so far. */
    get started() {
      return members.reduce((sum, { lives }) => sum + lives, 0);
    },
    diedAlone: diedAlone as readonly LoneDeath[],
    /** Passes on what all of them wrote since. */
    listen() {
      for (const { listen } of members) listen?.();
    },
    startAll: () => Promise.all(members.map((_, i) => start(i))),
    start,
    end,
    pause: (i: number) => running(i).pause(),
    resume: (i: number) => running(i).resume(),
    /** Asks all to finish what they are doing; those that do not within the deadline are killed. */
    async stopAll(deadlineMs: number): Promise<void> {
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
