import type { RedisConnection } from '../../redis/redis-connection.ts';
import type { Keyspace } from '../keyspace.ts';
import { type LoadScripts, loadScripts } from './load-scripts.ts';
import { type ModeScripts, modeScripts } from './mode-scripts.ts';
import { type PartitionScripts, partitionScripts } from './partition-scripts.ts';
import { scriptRunner } from './run-script.ts';
import { type SaveScript, saveScript } from './save-script.ts';
import { type SyncScripts, syncScripts } from './sync-scripts.ts';

/**
 * The Lua scripts with named arguments. Only the files of this folder know the order of KEYS and ARGV; the
 * header of each script says what it promises (`packages/protocol/lua`).
 *
 * Every method rejects with RedisError, whose `failure.effect` says whether it may have been applied, and with
 * InvalidOptionError for a version from elsewhere that is none (`isVersion`); then nothing was sent.
 */
export interface Scripts extends SaveScript, LoadScripts, SyncScripts, PartitionScripts, ModeScripts {}

export interface ScriptsDeps {
  readonly redis: RedisConnection;
  readonly keyspace: Keyspace;
}

export interface ScriptsOptions {
  /** A call without an answer for this long is given up as `unknown`, ms. */
  readonly timeoutMs: number;
}

/** Registers the scripts on the connection and returns their typed façade. */
export function createScripts({ redis, keyspace }: ScriptsDeps, options: ScriptsOptions): Scripts {
  const deps = { run: scriptRunner(redis, options), keyspace };
  return {
    ...{ ...saveScript(deps), ...loadScripts(deps), ...syncScripts(deps) },
    ...{ ...partitionScripts(deps), ...modeScripts(deps) },
  };
}
