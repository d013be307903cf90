// Sees the consumer's upserts, and tells of those that were refused and halved.
import { tell } from './watch-replies.mjs';

const UPSERT = /ON CONFLICT \(tenant_id, user_id\) DO UPDATE/;
/** More than can be in flight at once. */
const REMEMBERED = 50;

/** For every connection the pool opens from now on. @param {import('pg').Pool} pool */
export function watchStatements(pool) {
  let refused = [];
  const isHalfOf = (batch, users) =>
    users.length === Math.ceil(batch.length / 2) && users.every((user, i) => user === batch[i]);
  pool.on('connect', (client) => {
    const query = client.query.bind(client);
    client.query = (text, values, ...rest) => {
      const answer = query(text, values, ...rest);
      if (typeof text !== 'string' || !UPSERT.test(text)) return answer;
      const users = textsOf(values[1]);
      if (refused.some((batch) => isHalfOf(batch, users))) tell('bisect');
      answer.catch(({ code }) => {
        if (code?.startsWith('23') && users.length > 2) refused = [users, ...refused].slice(0, REMEMBERED);
      });
      return answer;
    };
  });
}

/** The items of a text[] parameter in PostgreSQL's binary form: after 20 bytes each item follows its length. */
function textsOf(array) {
  const texts = [];
  for (let at = 20; at < array.length; ) {
    const end = at + 4 + array.readInt32BE(at);
    texts.push(array.toString('utf8', at + 4, end));
    at = end;
  }
  return texts;
}
