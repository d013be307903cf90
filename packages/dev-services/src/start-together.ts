/**
 * Starts several servers at once. When one cannot start, those that did are stopped before the error is thrown on.
 *
 * @throws what the first failed start threw
 */
export async function startTogether<Server extends { stop(): Promise<void> }>(
  starts: readonly (() => Promise<Server>)[],
): Promise<Server[]> {
  const results = await Promise.allSettled(starts.map((start) => start()));
  const started = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const failed = results.find((result) => result.status === 'rejected');
  if (!failed) return started;
  await stopAll(started);
  throw failed.reason;
}

/** Stops all of them, also when stopping one fails. @throws what the first failed stop threw */
export async function stopAll(servers: readonly { stop(): Promise<void> }[]): Promise<void> {
  const results = await Promise.allSettled(servers.map((server) => server.stop()));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}
