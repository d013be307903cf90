import pg from 'pg';

interface Located {
  readonly cauceServer?: string;
}

/** `host:port`, or the folder of the socket; undefined when the options are not to be read. No user, no database. */
export function addressOf(options: pg.ClientConfig): string | undefined {
  try {
    // Parses a URL and the environment as it will when it connects.
    const { host, port } = new pg.Client(options);
    return host.startsWith('/') ? host : `${host}:${port}`;
  } catch {
    return undefined;
  }
}

/** What pg rejected with, knowing which server it was: pg itself does not say. */
export function atServer(error: unknown, address: string | undefined): unknown {
  if (error instanceof Error && address !== undefined && !('cauceServer' in error)) {
    Object.defineProperty(error, 'cauceServer', { value: address });
  }
  return error;
}

/** Of an error that went through {@link atServer}. */
export function serverOf(error: Error): string | undefined {
  return (error as Located).cauceServer;
}
