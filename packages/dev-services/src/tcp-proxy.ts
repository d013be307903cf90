import { connect, createServer, type Server, type Socket } from 'node:net';
import { DelayedPipe, type Flow, type FlowMode } from './delayed-pipe.ts';
import { startOnFreePort } from './free-port.ts';
import { ServerError } from './server-error.ts';

/** Where a proxy leads, and how far away that seems to be. */
export interface TcpProxyOptions {
  /** Default `127.0.0.1`. */
  readonly targetHost?: string;
  readonly targetPort: number;
  /** See `TcpProxy.latencyMs`. Default 0. */
  readonly latencyMs?: number;
}

/**
 * A network that can be made slow, deaf or broken while connections are open.
 *
 * Requests are what clients say, replies what the target says. Held bytes (up to 4 MiB per connection
 * and direction; beyond that the sender is slowed down) keep their order and arrive when released.
 */
export interface TcpProxy extends AsyncDisposable {
  /** Where clients connect, on 127.0.0.1. */
  readonly port: number;
  /**
   * Added to a round trip in total, in milliseconds: half on the way there, half on the way back.
   * Timers are exact to about 1 ms each way. May be changed at any time; bytes already on their way
   * keep their delay. Opening a connection takes no time.
   */
  latencyMs: number;
  /** Open connections of clients. */
  readonly connectionCount: number;
  /** Bytes passed on to the target so far, held and dropped ones excluded. */
  readonly bytesToTarget: number;
  /** Bytes passed on from the target so far, held and dropped ones excluded. */
  readonly bytesFromTarget: number;
  /** The same URL with host and port of the proxy. */
  urlFor(targetUrl: string): string;
  /** Resets all open connections; what was on its way is lost. New ones are still accepted. */
  cutConnections(): void;
  /** Refuses new connections (ECONNREFUSED). Open ones go on. */
  refuse(): void;
  /** Accepts new connections again, on the same port. */
  accept(): Promise<void>;
  /** Keeps what the target says, ends of connections included: half-open. */
  holdReplies(): void;
  /** Delivers what was kept, and passes replies on again, also after `dropReplies()`. */
  releaseReplies(): void;
  /** Loses what the target says, also what is kept. Cut the connections before using them again. */
  dropReplies(): void;
  /** Keeps what clients say. */
  holdRequests(): void;
  /** Delivers what was kept, and passes requests on again, also after `dropRequests()`. */
  releaseRequests(): void;
  /** Loses what clients say, also what is kept. Cut the connections before using them again. */
  dropRequests(): void;
  /** Cuts everything and frees the port. May be called again. */
  stop(): Promise<void>;
}

interface Connection {
  readonly client: Socket;
  readonly target: Socket;
  readonly requests: DelayedPipe;
  readonly replies: DelayedPipe;
}

/**
 * Starts a proxy on a free port of 127.0.0.1. A connection whose target cannot be reached is reset.
 *
 * @throws ServerError `START_FAILED` if it cannot listen.
 */
export async function startTcpProxy(options: TcpProxyOptions): Promise<TcpProxy> {
  const { targetHost = '127.0.0.1', targetPort, latencyMs = 0 } = options;
  const connections = new Set<Connection>();
  const requests: Flow = { mode: 'pass', delayMs: latencyMs / 2, byteCount: 0 };
  const replies: Flow = { mode: 'pass', delayMs: latencyMs / 2, byteCount: 0 };

  const serve = (client: Socket): void => {
    const target = connect({ host: targetHost, port: targetPort, allowHalfOpen: true, noDelay: true });
    const connection: Connection = {
      client,
      target,
      requests: new DelayedPipe(client, target, requests),
      replies: new DelayedPipe(target, client, replies),
    };
    connections.add(connection);
    for (const socket of [client, target]) {
      // A reset on one side becomes a reset on the other side, as without a proxy.
      socket.once('error', () => {
        reset(connection);
      });
      socket.once('close', () => {
        if (client.destroyed && target.destroyed) forget(connection);
      });
    }
  };
  const forget = (connection: Connection): void => {
    connections.delete(connection);
    connection.requests.destroy();
    connection.replies.destroy();
  };
  const reset = (connection: Connection): void => {
    forget(connection);
    connection.client.resetAndDestroy();
    connection.target.destroy();
  };
  const cutConnections = (): void => {
    for (const connection of [...connections]) reset(connection);
  };
  const setMode = (flow: Flow, mode: FlowMode): void => {
    flow.mode = mode;
    for (const connection of connections) {
      (flow === requests ? connection.requests : connection.replies).flush();
    }
  };

  let isStopped = false;
  let listener: Server | undefined;
  const port = await startOnFreePort(undefined, async (freePort) => {
    listener = await listen(freePort, serve);
    return freePort;
  });
  const refuse = (): void => {
    // Stops listening at once; the connections that are open do not care.
    listener?.close();
    listener = undefined;
  };
  const stop = (): Promise<void> => {
    isStopped = true;
    refuse();
    cutConnections();
    return Promise.resolve();
  };

  return {
    port,
    get latencyMs() {
      return requests.delayMs * 2;
    },
    set latencyMs(roundTripMs) {
      requests.delayMs = roundTripMs / 2;
      replies.delayMs = roundTripMs / 2;
    },
    get connectionCount() {
      return connections.size;
    },
    get bytesToTarget() {
      return requests.byteCount;
    },
    get bytesFromTarget() {
      return replies.byteCount;
    },
    urlFor: (targetUrl) => {
      const url = new URL(targetUrl);
      url.hostname = '127.0.0.1';
      url.port = String(port);
      return url.href;
    },
    cutConnections,
    refuse,
    accept: async () => {
      if (isStopped) throw new ServerError('START_FAILED', 'This proxy was stopped for good.');
      listener ??= await listen(port, serve);
    },
    holdReplies: () => {
      setMode(replies, 'hold');
    },
    releaseReplies: () => {
      setMode(replies, 'pass');
    },
    dropReplies: () => {
      setMode(replies, 'drop');
    },
    holdRequests: () => {
      setMode(requests, 'hold');
    },
    releaseRequests: () => {
      setMode(requests, 'pass');
    },
    dropRequests: () => {
      setMode(requests, 'drop');
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function listen(port: number, serve: (client: Socket) => void): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, serve);
    server.once('error', (error: NodeJS.ErrnoException) => {
      const code = error.code === 'EADDRINUSE' ? 'PORT_TAKEN' : 'START_FAILED';
      const message = `The proxy cannot listen on 127.0.0.1:${port}: ${error.message}`;
      reject(new ServerError(code, message, { cause: error }));
    });
    server.listen(port, '127.0.0.1', () => {
      resolve(server);
    });
  });
}
