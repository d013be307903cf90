import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RedisServer } from '@cauce/dev-services';
import { migrate } from '@cauce/postgres/migrate';
import pg from 'pg';
import { inject, onTestFinished } from 'vitest';
import { connectPostgres, uniqueName } from './isolated.ts';
import { ownRedis } from './own-servers.ts';

const deploy = join(import.meta.dirname, '../../deploy');
const PASSWORD = 'pw';

export type RedisUser = 'admin' | 'bot' | 'sync' | 'ops' | 'watch';

/** A Redis with an append-only file and the users of `deploy/redis/users.acl`, or with other lines instead. */
export async function redisWithUsers(
  change: (acl: string) => string = (acl) => acl,
  serverArgs: readonly string[] = [],
): Promise<{ server: RedisServer; urlFor(user: RedisUser): string }> {
  const folder = mkdtempSync(join(tmpdir(), 'cauce-acl-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const aclFile = join(folder, 'users.acl');
  const hash = createHash('sha256').update(PASSWORD).digest('hex');
  const shipped = readFileSync(join(deploy, 'redis/users.acl'), 'utf8');
  writeFileSync(aclFile, change(shipped.replace(/#\w+_PASSWORD_SHA256/g, `#${hash}`)));
  const server = await ownRedis({
    extraArgs: ['--aclfile', aclFile, ...serverArgs],
    login: { username: 'admin', password: PASSWORD },
  });
  return { server, urlFor: (user) => server.url.replace('://', `://${user}:${PASSWORD}@`) };
}

export type DatabaseRole = 'migrator' | 'consumer' | 'loader';

/** A schema on the shared PostgreSQL with the roles of `deploy/postgres`, migrated by the migrator. */
export async function schemaWithRoles(): Promise<{ schema: string; urlFor(role: DatabaseRole): string }> {
  const schema = uniqueName();
  const roles = { migrator: `${schema}_m`, consumer: `${schema}_c`, loader: `${schema}_l` };
  const url = new URL(inject('databaseUrl'));
  const urlFor = (role: DatabaseRole): string => Object.assign(new URL(url), { username: roles[role] }).href;
  const variables = { schema, ...roles };
  await connectPostgres().query(renderPsql('roles.sql', variables));
  await migrate({ databaseUrl: urlFor('migrator'), schema, table: 'session' });
  const migrator = new pg.Client({ connectionString: urlFor('migrator') });
  await migrator.connect();
  await migrator.query(renderPsql('grants.sql', variables));
  await migrator.end();
  return { schema, urlFor };
}

/** As `psql -v name=value` does: `:"name"` is a quoted identifier. */
function renderPsql(file: string, variables: Record<string, string>): string {
  return readFileSync(join(deploy, 'postgres', file), 'utf8').replace(/:"(\w+)"/g, (_, name: string) => {
    const value = variables[name];
    if (value === undefined) throw new Error(`${file} needs the variable ${name}`);
    return pg.escapeIdentifier(value);
  });
}
