import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** What INFO of a Redis that keeps sessions tells, as a reply. */
export const healthyInfo: string = bulk(
  [
    'redis_version:7.0.15',
    'role:master',
    'run_id:abc',
    'master_replid:def',
    'maxmemory_policy:noeviction',
    'aof_enabled:1',
  ].join('\r\n'),
);

/** A bulk string. */
export function bulk(text: string): string {
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
}

/** A server on a port of its own that answers each command with whatever `answer` gives. Returns its URL. */
export async function respServer(
  answer: (command: string, args: readonly string[]) => string,
): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    let received = '';
    socket.on('data', (data) => {
      received += data.toString('latin1');
      for (let next = parse(received); next; next = parse(received)) {
        received = received.slice(next.length);
        const [command = '', ...args] = next.words;
        socket.write(answer(command.toUpperCase(), args));
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `redis://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The first command, if it is there whole. */
function parse(text: string): { words: string[]; length: number } | undefined {
  const [head, count] = /^\*(\d+)\r\n/.exec(text) ?? [];
  if (head === undefined) return undefined;
  const words: string[] = [];
  let at = head.length;
  for (let i = 0; i < Number(count); i++) {
    const [size, bytes] = /^\$(\d+)\r\n/.exec(text.slice(at)) ?? [];
    if (size === undefined) return undefined;
    const start = at + size.length;
    at = start + Number(bytes) + 2;
    if (text.length < at) return undefined;
    words.push(text.slice(start, at - 2));
  }
  return { words, length: at };
}
