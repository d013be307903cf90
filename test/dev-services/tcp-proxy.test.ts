import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { startTcpProxy, type TcpProxy } from '@cauce/dev-services';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../helpers/eventually.ts';

/** Answers every byte with the same byte, and can be looked into. */
interface Echo {
  readonly port: number;
  readonly received: () => string;
  readonly sockets: Set<Socket>;
  readonly server: Server;
}

async function startEcho(): Promise<Echo> {
  let received = '';
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: false }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (bytes) => {
      received += bytes.toString('latin1');
      socket.write(bytes);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return { port, received: () => received, sockets, server };
}

let echo: Echo;
let proxy: TcpProxy;
const clients: Socket[] = [];

beforeEach(async () => {
  echo = await startEcho();
  proxy = await startTcpProxy({ targetPort: echo.port });
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await proxy.stop();
  for (const socket of echo.sockets) socket.destroy();
  echo.server.close();
});

async function open(): Promise<{ socket: Socket; text: () => string }> {
  const socket = connect({ host: '127.0.0.1', port: proxy.port, noDelay: true });
  clients.push(socket);
  let text = '';
  socket.setEncoding('latin1').on('data', (part) => {
    text += part;
  });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return { socket, text: () => text };
}

async function roundTripMs(socket: Socket): Promise<number> {
  const startedAt = performance.now();
  const answered = once(socket, 'data');
  socket.write('x');
  await answered;
  return performance.now() - startedAt;
}

describe('a TCP proxy', () => {
  it('passes bytes both ways, counts them, and rewrites URLs', async () => {
    const { socket, text } = await open();
    socket.write('hello');
    await eventually(() => expect(text()).toBe('hello'));
    expect(proxy.bytesToTarget).toBe(5);
    expect(proxy.bytesFromTarget).toBe(5);
    expect(proxy.connectionCount).toBe(1);
    expect(proxy.urlFor('redis://127.0.0.1:1/0')).toBe(`redis://127.0.0.1:${proxy.port}/0`);
    expect(proxy.urlFor('postgres://cauce@127.0.0.1:1/cauce')).toBe(
      `postgres://cauce@127.0.0.1:${proxy.port}/cauce`,
    );
  });

  it('makes a round trip cost the latency once in total, changeable while connected', async () => {
    const { socket } = await open();
    await roundTripMs(socket);
    proxy.latencyMs = 200;
    expect(proxy.latencyMs).toBe(200);
    const slow = [];
    for (let i = 0; i < 5; i++) slow.push(await roundTripMs(socket));
    expect(Math.min(...slow)).toBeGreaterThanOrEqual(199);
    expect(Math.min(...slow)).toBeLessThan(400);
    proxy.latencyMs = 0;
    await roundTripMs(socket);
    expect(await roundTripMs(socket)).toBeLessThan(200);
  });

  it('keeps the order of bytes while the latency goes down', async () => {
    const { socket, text } = await open();
    const expected = Array.from({ length: 200 }, (_, i) => `${i};`).join('');
    for (let i = 0; i < 200; i++) {
      proxy.latencyMs = 40 - (i % 40);
      socket.write(`${i};`);
      if (i % 10 === 0) await new Promise(setImmediate);
    }
    await eventually(() => expect(text().length).toBe(expected.length));
    expect(text()).toBe(expected);
  });

  it('delays many bytes by the latency, not by the latency per piece', async () => {
    proxy.latencyMs = 200;
    const { socket, text } = await open();
    const startedAt = performance.now();
    const payload = 'p'.repeat(20 * 1024 * 1024);
    socket.write(payload);
    await eventually(() => expect(text().length).toBe(payload.length));
    expect(performance.now() - startedAt).toBeLessThan(30_000);
    expect(proxy.bytesToTarget).toBe(payload.length);
  });

  it('cuts every open connection with a reset, and accepts new ones', async () => {
    const [first, second] = [await open(), await open()];
    await eventually(() => expect(echo.sockets.size).toBe(2));
    const errors = [first, second].map(({ socket }) => once(socket, 'error'));
    proxy.cutConnections();
    for (const [error] of await Promise.all(errors)) {
      expect((error as NodeJS.ErrnoException).code).toBe('ECONNRESET');
    }
    expect(proxy.connectionCount).toBe(0);
    await eventually(() => expect(echo.sockets.size).toBe(0));
    await roundTripMs((await open()).socket);
  });

  it('refuses new connections while open ones go on, then accepts again on the same port', async () => {
    const { socket } = await open();
    const { port } = proxy;
    proxy.refuse();
    const refused = connect({ host: '127.0.0.1', port });
    const [error] = (await once(refused, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
    await roundTripMs(socket);
    await proxy.accept();
    expect(proxy.port).toBe(port);
    await roundTripMs((await open()).socket);
  });

  it('holds replies while requests arrive, and delivers them when released', async () => {
    const { socket, text } = await open();
    proxy.holdReplies();
    socket.write('held');
    await eventually(() => expect(echo.received()).toBe('held'));
    expect(text()).toBe('');
    expect(proxy.bytesFromTarget).toBe(0);
    proxy.releaseReplies();
    await eventually(() => expect(text()).toBe('held'));
  });

  it('holds the end of a connection too', async () => {
    const { socket } = await open();
    await roundTripMs(socket);
    proxy.holdReplies();
    for (const peer of echo.sockets) peer.end();
    await eventually(() => expect([...echo.sockets].every((peer) => peer.writableFinished)).toBe(true));
    expect(socket.readableEnded).toBe(false);
    const ended = once(socket, 'end');
    proxy.releaseReplies();
    await ended;
    await eventually(() => expect(proxy.connectionCount).toBe(0));
  });

  it('holds requests, so that the target knows nothing until they are released', async () => {
    const { socket, text } = await open();
    await roundTripMs(socket);
    proxy.holdRequests();
    socket.write('later');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(echo.received()).toBe('x');
    proxy.releaseRequests();
    await eventually(() => expect(text()).toBe('xlater'));
  });

  it('loses dropped replies and requests, also those that were held', async () => {
    const { socket, text } = await open();
    proxy.holdReplies();
    socket.write('a');
    await eventually(() => expect(echo.received()).toBe('a'));
    proxy.dropReplies();
    socket.write('b');
    await eventually(() => expect(echo.received()).toBe('ab'));
    await new Promise(setImmediate);
    proxy.releaseReplies();
    socket.write('c');
    await eventually(() => expect(text()).toMatch(/c$/));
    expect(text()).not.toContain('a');
    proxy.dropRequests();
    socket.write('d');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(echo.received()).toBe('abc');
  });

  it('resets a connection whose target is not there', async () => {
    await using orphan = await startTcpProxy({ targetPort: 1 });
    const socket = connect({ host: '127.0.0.1', port: orphan.port });
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNRESET');
  });

  it('frees its port when stopped, with bytes on their way', async () => {
    proxy.latencyMs = 60_000;
    const { socket } = await open();
    socket.write('never');
    await eventually(() => expect(proxy.connectionCount).toBe(1));
    await proxy.stop();
    await proxy.stop();
    await expect(proxy.accept()).rejects.toThrow('stopped for good');
    const refused = connect({ host: '127.0.0.1', port: proxy.port });
    await once(refused, 'error');
  });
});
