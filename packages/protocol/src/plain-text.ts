/** Which connections to a store are not encrypted. Pure. */

const advice = {
  Redis: 'sessions travel to Redis in plain text; use rediss:// instead of redis://',
  PostgreSQL: 'sessions travel to PostgreSQL in plain text; add sslmode=verify-full to DATABASE_URL',
} as const;

/** What to tell an operator whose sessions leave the host unencrypted; undefined when none do. */
export function plainTextWarning(
  store: keyof typeof advice,
  plainTextHosts: readonly string[],
): string | undefined {
  return plainTextHosts.length > 0 ? advice[store] : undefined;
}

/** Whether what is sent there stays on this host: a loopback address, or the folder of a unix socket. */
export function isLocalHost(host: string): boolean {
  return /^(localhost|.+\.localhost|127(\.\d{1,3}){3}|::1|\/.*)$/i.test(host);
}
