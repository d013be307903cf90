import { randomBytes } from 'node:crypto';

const ID_BYTES = 9;
/** Asking for random bytes costs a system call, however many they are. */
const IDS_AT_ONCE = 256;

/** @returns a function that gives 12 random characters, other ones with each call */
export function createOpIds(): () => string {
  let pool = Buffer.alloc(0);
  let next = 0;
  return () => {
    if (next === pool.length) {
      pool = randomBytes(ID_BYTES * IDS_AT_ONCE);
      next = 0;
    }
    const id = pool.toString('base64url', next, next + ID_BYTES);
    next += ID_BYTES;
    return id;
  };
}
