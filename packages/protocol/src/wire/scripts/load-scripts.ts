import { CorruptSessionError } from '../../error.ts';
import { listIn, oneOf, textsIn } from '../../redis/replies.ts';
import type { LocatedSession } from '../keyspace.ts';
import { sessionIn } from '../session-hash.ts';
import { ABSENT_VERSION, type Version } from '../version.ts';
import { flag, refuseForeign } from './arguments.ts';
import type { ScriptDeps } from './run-script.ts';
import {
  type Epoch,
  type HeldSession,
  type Lease,
  type StoredSession,
  toHeldSession,
} from './stored-session.ts';

export type LeaseReply =
  | ({ readonly outcome: 'hit' } & HeldSession)
  | { readonly outcome: 'miss'; readonly lease: Lease };

const confirmOutcomes = ['confirmed', 'adopted', 'outdated', 'superseded'] as const;
export type ConfirmOutcome = (typeof confirmOutcomes)[number];

/** What a bot calls for what it could not read, or does not trust. */
export interface LoadScripts {
  lease(session: LocatedSession, call: { token: string; leaseTtlMs: number }): Promise<LeaseReply>;
  restore(
    session: LocatedSession,
    call: StoredSession & { lease: Lease; ttlMs: number },
  ): Promise<'restored' | 'present' | 'refused'>;
  /** `row`: what PostgreSQL has; undefined when it has none. */
  confirm(
    session: LocatedSession,
    call: { version: Version; epoch: Epoch; row: StoredSession | undefined; ttlMs: number },
  ): Promise<ConfirmOutcome>;
  cacheTenant(
    tenantId: string,
    call: { token: string; info: string; ttlMs: number },
  ): Promise<'cached' | 'refused'>;
}

export function loadScripts({ run, keyspace }: ScriptDeps): LoadScripts {
  return {
    async lease(session, { token, leaseTtlMs }) {
      const keys = [session.key, keyspace.meta(session.partition)];
      const [outcome, ...rest] = listIn('lease', await run('lease', keys, [token, leaseTtlMs]));
      if (oneOf('lease', outcome, ['hit', 'miss']) === 'miss') {
        const [lease = ''] = textsIn('lease', rest, 1);
        return { outcome: 'miss', lease };
      }
      const held = sessionIn('lease', rest);
      if (held.kind !== 'session') {
        throw new CorruptSessionError("What Redis holds under the session's key is not a session.");
      }
      return { outcome: 'hit', ...toHeldSession(held) };
    },

    async restore(session, { lease, state, version, isTombstone, operations = '', ttlMs }) {
      refuseForeign(version);
      const reply = await run(
        'restore',
        [session.key, keyspace.meta(session.partition)],
        [lease, state, version, flag(isTombstone), operations, ttlMs],
      );
      return oneOf('restore', reply, ['restored', 'present', 'refused']);
    },

    async confirm({ partition, key }, { version, epoch, row, ttlMs }) {
      refuseForeign(version, row?.version ?? ABSENT_VERSION);
      const reply = await run(
        'confirm',
        [key, keyspace.meta(partition)],
        [
          ...[version, epoch, row?.version ?? ABSENT_VERSION, row?.state ?? ''],
          ...[flag(row?.isTombstone ?? false), row?.operations ?? '', ttlMs],
        ],
      );
      return oneOf('confirm', reply, confirmOutcomes);
    },

    async cacheTenant(tenantId, { token, info, ttlMs }) {
      const keys = keyspace.tenant(tenantId);
      const reply = await run('cacheTenant', [keys.info, keys.lease], [token, info, ttlMs]);
      return oneOf('cacheTenant', reply, ['cached', 'refused']);
    },
  };
}
