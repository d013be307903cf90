/** What is known of an attempt to connect besides its error. */
export interface RedisAttempt {
  readonly isTls: boolean;
  /** The server took the connection and ended it without a word. */
  readonly wasClosed: boolean;
}

/**
 * Why a connection did not come about and what to do: the same words in the log, `/readyz`, the command line and the
 * error. Never an argument of a command, a user or a password. Pure.
 */
export function explainConnectFailure(error: unknown, { isTls, wasClosed }: RedisAttempt): string {
  const { code, message } = readError(error);
  const reason = /^[A-Z]+/.exec(message)?.[0] ?? '';
  switch (reason) {
    case 'WRONGPASS':
      return 'it does not accept the user or the password (WRONGPASS): correct them in the Redis URL';
    case 'NOAUTH':
      return 'it asks for a password (NOAUTH): give one in the Redis URL';
    case 'NOPERM':
      return 'the user may not do what a connection needs (NOPERM): grant it INFO, CLIENT and PING';
    case 'LOADING':
      return 'it is reading its data from the disk (LOADING): wait';
    default:
  }
  if (/without any password configured/.test(message)) {
    return 'it knows no password for this user: set one there, or take it out of the Redis URL';
  }
  if (/alert (bad certificate|certificate required|unknown ca)/i.test(message)) {
    return `it asks for a certificate of this client (${code || 'TLS'}): give REDIS_TLS_CERT_FILE and REDIS_TLS_KEY_FILE`;
  }
  if (/certificate|altnames/i.test(message) || code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `its certificate is not accepted (${code || 'TLS'}): trust its CA (REDIS_TLS_CA_FILE), or correct the host`;
  }
  if (/wrong version number|packet length too long|SSL routines/i.test(message)) {
    return 'it speaks no TLS: write redis:// instead of rediss://, or give the port that does';
  }
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `its host is not known (${code}): correct it in the Redis URL, or the DNS`;
    case 'ECONNREFUSED':
      return 'nothing listens there (ECONNREFUSED): start Redis, or correct host and port in the Redis URL';
    default:
  }
  if (/RESP|Protocol error/.test(message)) {
    return 'the server at this address is not Redis: correct host and port in the Redis URL';
  }
  if (wasClosed && reason.length > 1) {
    return `it answers ${reason} and ends the connection: look into its log, or correct host and port in the Redis URL`;
  }
  if (wasClosed && !isTls) {
    return 'it ended the connection without a word: if it speaks TLS, write rediss:// instead of redis://';
  }
  if (isTls && (message === '' || code === 'ETIMEDOUT' || /no answer within/.test(message))) {
    return 'there was no TLS handshake: if it speaks none, write redis:// instead of rediss://; or a firewall is in between';
  }
  if (code === 'ETIMEDOUT' || /no answer within/.test(message)) {
    return 'it does not answer: look whether it hangs, or a firewall is in between';
  }
  return code || message || 'it does not answer';
}

/**
 * The command that a script may not run, from the line that Redis names; where it names none, all that the script runs.
 * Pure.
 *
 * @param script its text
 */
export function refusedCommand(script: string, message: string): string {
  const [, lineNumber] = /user_script:(\d+)/.exec(message) ?? [];
  const lines = script.split('\n');
  // A call may begin at the end of its line.
  const at = lineNumber === undefined ? [] : lines.slice(Number(lineNumber) - 1, Number(lineNumber) + 1);
  const [, command] = /\bp?call\(\s*'(\w+)'/.exec(at.join('\n')) ?? [];
  if (command !== undefined) return command;
  const all = [...script.matchAll(/\bp?call\(\s*'(\w+)'/g)].map(([, name]) => name);
  return `one of ${[...new Set(all)].sort().join(', ')}`;
}

/** Redis' words for a command in a script that the user may not run; it does not say NOPERM there. */
export const FORBIDDEN_IN_SCRIPT: RegExp = /can't run this command or subcommand/;

function readError(error: unknown): { code: string; message: string } {
  if (!(error instanceof Error)) return { code: '', message: '' };
  const { code } = error as { code?: unknown };
  return { code: typeof code === 'string' ? code : '', message: error.message };
}
