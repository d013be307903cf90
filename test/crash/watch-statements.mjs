// Sees what became of the consumer's upserts, and tells of those that were halved.
import { tell } from './watch-replies.mjs';

const UPSERT = /ON CONFLICT \(tenant_id, user_id\) DO UPDATE/;
/** Batches in flight, and the halves each may still have to try. */
const REMEMBERED = 50;

/** For every connection the pool opens from now on. @param {import('pg').Pool} pool */
export function watchStatements(pool) {
  let refused = [];
  const accepted = (users) => {
    const whole = refused.find(
      (batch) => batch.length > users.length && users.every((user) => batch.includes(user)),
    );
    if (whole) tell('bisect');
    refused = refused.filter((batch) => batch !== whole);
  };
  pool.on('connect', (client) => {
    const query = client.query.bind(client);
    client.query = (text, values, ...rest) => {
      const answer = query(text, values, ...rest);
      if (typeof text === 'string' && UPSERT.test(text) && answer instanceof Promise) {
        const [, users] = values;
        answer.then(
          () => accepted(users),
          ({ code }) => {
            if (code?.startsWith('23')) refused = [users, ...refused].slice(0, REMEMBERED);
          },
        );
      }
      return answer;
    };
  });
}
