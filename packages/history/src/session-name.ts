import { decodeId, encodeId, type SessionRef } from '@cauce/protocol';

/** A session in a history: `tenant:user`, both percent-encoded. @throws InvalidIdError */
export function nameSession({ tenantId, userId }: SessionRef): string {
  return `${encodeId(tenantId, 'tenant id')}:${encodeId(userId, 'user id')}`;
}

/** Reads back what {@link nameSession} wrote; undefined for any text it would not have written. */
export function parseSessionName(name: string): SessionRef | undefined {
  const [tenant = '', user = '', ...others] = name.split(':');
  const tenantId = decodeId(tenant, 'tenant id');
  const userId = decodeId(user, 'user id');
  return tenantId === undefined || userId === undefined || others.length > 0
    ? undefined
    : { tenantId, userId };
}
