import { connect } from 'node:net';

/** One attempt may not take longer: a server that loads its data answers at once, with LOADING. */
const ATTEMPT_TIMEOUT_MS = 250;

/** A user of an access control list. */
export interface RedisLogin {
  readonly username: string;
  readonly password: string;
}

/**
 * True if the Redis on 127.0.0.1 answers PING and is the process `pid`: while ours fails to bind,
 * somebody else's may answer on the same port.
 */
export function isRedisReady(port: number, pid: number, login?: RedisLogin): Promise<boolean> {
  const auth = login === undefined ? '' : `AUTH ${login.username} ${login.password}\r\n`;
  const greeting = `${login === undefined ? '' : '+OK\r\n'}+PONG\r\n`;
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    let reply = '';
    const finish = (isReady: boolean): void => {
      socket.destroy();
      resolve(isReady);
    };
    socket.setEncoding('latin1').setTimeout(ATTEMPT_TIMEOUT_MS);
    socket.once('connect', () => socket.write(`${auth}PING\r\nINFO server\r\n`));
    socket.on('data', (text) => {
      reply += text;
      if (!greeting.startsWith(reply.slice(0, greeting.length))) finish(false);
      const [, answering] = /\r\nprocess_id:(\d+)\r\n/.exec(reply) ?? [];
      if (answering !== undefined) finish(Number(answering) === pid);
    });
    socket.once('error', () => {
      finish(false); // nothing listens yet
    });
    socket.once('timeout', () => {
      finish(false);
    });
    socket.once('close', () => {
      resolve(false);
    });
  });
}
