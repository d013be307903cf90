import { connect } from 'node:net';
import { ServerError } from './server-error.ts';

/** What Redis answers: text, a number, nothing, or a list of these. */
export type RedisReply = string | number | null | readonly RedisReply[];

/** One answer may not take longer; a server that is paused gives none. */
const ANSWER_TIMEOUT_MS = 2_000;

/**
 * Sends one command to the Redis (or sentinel) on 127.0.0.1, over a connection of its own.
 *
 * @throws ServerError `COMMAND_FAILED` with the server's error, or why there was no answer.
 */
export function redisCommand(
  port: number,
  command: readonly (string | number)[],
  { timeoutMs = ANSWER_TIMEOUT_MS }: { readonly timeoutMs?: number } = {},
): Promise<RedisReply> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port });
    let received = '';
    const fail = (reason: string): void => {
      socket.destroy();
      const name = command.slice(0, 2).join(' ');
      reject(new ServerError('COMMAND_FAILED', `Redis on port ${port}, ${name}: ${reason}`));
    };
    // Bytes as characters: the lengths Redis sends are bytes.
    socket.setEncoding('latin1').setTimeout(timeoutMs);
    socket.once('connect', () => socket.write(encodeCommand(command), 'latin1'));
    socket.on('data', (text) => {
      received += text;
      const parsed = parseReply(received);
      if (!parsed) return;
      if (parsed.reply instanceof RedisErrorReply) {
        fail(parsed.reply.message);
        return;
      }
      socket.destroy();
      resolve(parsed.reply);
    });
    socket.once('error', ({ message }) => fail(message));
    socket.once('timeout', () => fail(`no answer within ${timeoutMs} ms`));
    socket.once('close', () => fail('it closed the connection'));
  });
}

/** Flat names and values, as `SENTINEL MASTER` answers, by name. Pure. */
export function fieldsOf(reply: RedisReply): Map<string, string> {
  const flat = Array.isArray(reply) ? (reply as readonly RedisReply[]) : [];
  const fields = new Map<string, string>();
  for (let i = 0; i + 1 < flat.length; i += 2) fields.set(String(flat[i]), String(flat[i + 1]));
  return fields;
}

class RedisErrorReply {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}

function encodeCommand(command: readonly (string | number)[]): string {
  const parts = command.map((part) => Buffer.from(String(part)).toString('latin1'));
  return [`*${parts.length}`, ...parts.flatMap((part) => [`$${part.length}`, part]), ''].join('\r\n');
}

interface Parsed {
  readonly reply: RedisReply | RedisErrorReply;
  readonly end: number;
}

/** Undefined while the text is not a whole reply. Pure. */
function parseReply(text: string, start = 0): Parsed | undefined {
  const lineEnd = text.indexOf('\r\n', start);
  if (lineEnd < 0) return undefined;
  const line = text.slice(start + 1, lineEnd);
  const end = lineEnd + 2;
  switch (text.charAt(start)) {
    case '-':
      return { reply: new RedisErrorReply(line), end };
    case ':':
      return { reply: Number(line), end };
    case '$': {
      const length = Number(line);
      if (length < 0) return { reply: null, end };
      const whole = text.length >= end + length + 2;
      if (!whole) return undefined;
      const reply = Buffer.from(text.slice(end, end + length), 'latin1').toString('utf8');
      return { reply, end: end + length + 2 };
    }
    case '*': {
      const list: RedisReply[] = [];
      let at = end;
      for (let left = Number(line); left > 0; left--) {
        const parsed = parseReply(text, at);
        if (!parsed) return undefined;
        list.push(parsed.reply instanceof RedisErrorReply ? parsed.reply.message : parsed.reply);
        at = parsed.end;
      }
      return { reply: list, end: at };
    }
    default:
      return { reply: line, end };
  }
}
