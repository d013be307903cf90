// Sees the consumer's upserts, and tells of those that were refused and halved.
import type { Pool, PoolClient, QueryConfig } from 'pg';
import { tell } from './watch-replies.ts';

const UPSERT = /ON CONFLICT \(tenant_id, user_id\) DO UPDATE/;
/** More than can be in flight at once. */
const REMEMBERED = 50;

/** As the consumer calls it. */
type Query = (
  config: QueryConfig,
  values: readonly unknown[],
  ...rest: readonly unknown[]
) => Promise<unknown>;

/** For every connection the pool opens from now on. */
export function watchStatements(pool: Pool): void {
  let refused: string[][] = [];
  const isHalfOf = (batch: readonly string[], users: readonly string[]) =>
    users.length === Math.ceil(batch.length / 2) && users.every((user, i) => user === batch[i]);
  pool.on('connect', (client) => {
    const query = client.query.bind(client) as Query;
    const watched: Query = (config, values, ...rest) => {
      const answer = query(config, values, ...rest);
      if (!UPSERT.test(config.text)) return answer;
      const users = textsOf(values[1] as Buffer);
      if (refused.some((batch) => isHalfOf(batch, users))) tell('bisect');
      answer.catch(({ code }: { readonly code?: string }) => {
        if (code?.startsWith('23') && users.length > 2) refused = [users, ...refused].slice(0, REMEMBERED);
      });
      return answer;
    };
    client.query = watched as PoolClient['query'];
  });
}

/** The items of a text[] parameter in PostgreSQL's binary form: after 20 bytes each item follows its length. */
function textsOf(array: Buffer): string[] {
  const texts: string[] = [];
  for (let at = 20; at < array.length; ) {
    const end = at + 4 + array.readInt32BE(at);
    texts.push(array.toString('utf8', at + 4, end));
    at = end;
  }
  return texts;
}
