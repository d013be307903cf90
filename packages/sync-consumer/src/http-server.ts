import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import { shareCalls } from './share-calls.ts';

export interface Readiness {
  readonly isReady: boolean;
  /** Why not, in words an operator can act on. */
  readonly reason?: string;
}

export interface HttpServerDeps {
  /** Undefined: metrics are switched off and /metrics answers 404. */
  readonly registry: Registry | undefined;
  readonly readiness: () => Readiness;
}

export interface HttpServerOptions {
  /** 0 takes a free one. */
  readonly port: number;
  readonly host: string;
  /** False: when the port is taken, a free one will do. Default true. */
  readonly isPortFixed?: boolean;
}

export interface HttpServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * `/healthz`: the process answers; it asks neither store. `/readyz`: it syncs, or why it does not (503).
 * `/metrics`: Prometheus text.
 *
 * @throws the error of `listen` (EADDRINUSE, EACCES, EADDRNOTAVAIL, …)
 */
export async function startHttpServer(
  { registry, readiness }: HttpServerDeps,
  { port, host, isPortFixed = true }: HttpServerOptions,
): Promise<HttpServer> {
  // However many scrape at the same time, Redis is asked and the text is made once.
  const scrape = registry && shareCalls(() => registry.metrics());
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0];
    if (request.method !== 'GET' && request.method !== 'HEAD') answer(response, 405, 'GET only\n');
    else if (path === '/healthz') answer(response, 200, 'ok\n');
    else if (path === '/readyz') {
      const { isReady, reason } = readiness();
      answer(response, isReady ? 200 : 503, isReady ? 'ready\n' : `not ready: ${reason}\n`);
    } else if (path === '/metrics' && scrape) {
      scrape().then(
        (text) => answer(response, 200, text, registry?.contentType),
        () => answer(response, 500, 'metrics failed\n'),
      );
    } else answer(response, 404, 'not found\n');
  });
  await listen(server, port, host).catch((error: NodeJS.ErrnoException) => {
    if (isPortFixed || error.code !== 'EADDRINUSE') throw error;
    return listen(server, 0, host);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function answer(response: ServerResponse, status: number, text: string, contentType = 'text/plain'): void {
  response.writeHead(status, { 'content-type': contentType }).end(text);
}
