import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Acknowledged, BotReport, FromBot, TalkPlan, ToBot } from './bot-messages.ts';
import { ChildFailure, describeExit } from './child-failure.ts';

export interface BotProcess extends AsyncDisposable {
  readonly pid: number | undefined;
  /** The newest; undefined until the first one came. */
  readonly report: BotReport | undefined;
  /** Lets every user fall silent and hands over what the bot remembers. @throws ChildFailure */
  stop(): Promise<readonly Acknowledged[]>;
}

export interface BotProcessOptions {
  readonly plan: TalkPlan;
  /** The whole environment of the process: REDIS_URL, DATABASE_URL and the rest of the settings. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Called when it ends before it was stopped. */
  readonly onFailure: (failure: ChildFailure) => void;
}

/** A bot that gives no answer for this long after the message to stop hangs. Longer than a save is repeated. */
const STOP_TIMEOUT_MS = 30_000;
const KEPT_OUTPUT_CHARS = 20_000;

/** Starts the bot and its users. It ends with this process at the latest: it notices that the channel is gone. */
export function startBotProcess({ plan, env, onFailure }: BotProcessOptions): BotProcess {
  const child = fork(join(import.meta.dirname, 'bot-process.js'), [JSON.stringify(plan)], {
    env: { ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    // Not in the terminal's group: Ctrl-C is ours to handle.
    detached: true,
  });
  const exited = once(child, 'exit');
  const memory: Acknowledged[] = [];
  let report: BotReport | undefined;
  let output = '';
  let isOver = false;
  let onMemory = (): void => {};
  let onEarlyEnd = (_: ChildFailure): void => {};

  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-KEPT_OUTPUT_CHARS);
    });
  }
  child.on('message', (message: FromBot) => {
    if (message.kind === 'report') {
      report = message.report;
      return;
    }
    memory.push(...message.sessions);
    if (message.isLast) onMemory();
  });
  child.once('close', (code, signal) => {
    if (isOver) return;
    const failure = new ChildFailure('The bot', describeExit({ code, signal }), output);
    onEarlyEnd(failure);
    onFailure(failure);
  });

  const end = async (): Promise<void> => {
    isOver = true;
    if (child.exitCode !== null || child.signalCode !== null) return;
    if (child.connected) child.disconnect();
    child.kill('SIGKILL');
    await exited;
  };
  return {
    pid: child.pid,
    get report() {
      return report;
    },
    async stop() {
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(
          () => reject(new ChildFailure('The bot', `no answer for ${STOP_TIMEOUT_MS} ms`, output)),
          STOP_TIMEOUT_MS,
        );
        onMemory = () => {
          clearTimeout(timer);
          resolve();
        };
        onEarlyEnd = (failure) => {
          clearTimeout(timer);
          reject(failure);
        };
        child.send({ kind: 'stop' } satisfies ToBot);
      });
      await end();
      return memory;
    },
    [Symbol.asyncDispose]: end,
  };
}
