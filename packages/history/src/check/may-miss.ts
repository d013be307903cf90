// What a call may not have seen, because Redis had lost it and PostgreSQL, which kept it, could not be asked.
import type { Call } from '../call.ts';

export type MayMiss = (call: Call, missed: { readonly version: bigint }) => boolean;

export function mayMissIn(
  lostVersions: ReadonlySet<bigint> | undefined,
  isUnconfirmed: ((call: Call) => boolean) | undefined,
): MayMiss {
  if (!lostVersions || !isUnconfirmed) return () => false;
  return (call, { version }) => lostVersions.has(version) && isUnconfirmed(call);
}
