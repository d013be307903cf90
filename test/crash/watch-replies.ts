// Sees what Redis answered, below everything that is being tested, and tells of rare events on standard output.
import { type Command, Redis } from 'ioredis';

/** One line for the harness: it adds them up by name. */
export function tell(event: string, count = 1): void {
  process.stdout.write(`@ ${event} ${count}\n`);
}

/** For every connection this process opens from now on. */
export function watchReplies(): void {
  const { sendCommand } = Redis.prototype;
  Redis.prototype.sendCommand = function (this: Redis, command: Command, ...rest) {
    command.promise.then((reply) => tellOfReply(command.name, reply), tellOfError);
    return sendCommand.call(this, command, ...rest);
  };
}

function tellOfReply(name: string, reply: unknown): void {
  if (name === 'xautoclaim') {
    const [, entries] = reply as [next: string, entries: unknown[]];
    if (entries.length > 0) tell('events taken over', entries.length);
  }
  if (name !== 'evalsha' && name !== 'eval') return;
  if (reply === 'restored') tell('sessions restored');
  else if (reply === 'refused') tell('restore refused');
  else if (reply === 'adopted') tell('rows adopted');
  else if (typeof reply === 'string') {
    // Of saves: one line each.
    for (const line of reply.split('\n')) {
      if (line.startsWith('replayed ')) tell('op id replayed');
      else if (line.startsWith('conflict ')) tell('compare-and-set lost');
    }
  } else if (Array.isArray(reply)) {
    const announced = reply.filter((outcome) => outcome === 'announced').length;
    if (announced > 0) tell('sweeper announced again', announced);
  }
}

function tellOfError({ message = '' }: Partial<Error>): void {
  if (message.startsWith('OOM')) tell('refused when full');
  else if (message.startsWith('NOGROUP')) tell('consumer group missing');
}
