/** Of `text` and `jsonb` in PostgreSQL's catalogue; they never change. */
const TEXT_OID = 25;
const JSONB_OID = 3802;
/** Stands before the text of a jsonb in binary form. */
const JSONB_VERSION = 1;

/**
 * A `text[]` parameter in PostgreSQL's binary form: as text, each quote and backslash would be escaped here and
 * unescaped there; null is NULL. Pure.
 */
export function textArray(items: readonly (string | null)[]): Buffer {
  return binaryArray(TEXT_OID, items);
}

/** A `jsonb[]` parameter of JSON texts; null is NULL. PostgreSQL parses them as it would parse text. Pure. */
export function jsonbArray(items: readonly (string | null)[]): Buffer {
  return binaryArray(JSONB_OID, items, JSONB_VERSION);
}

/**
 * Dimensions, flags (PostgreSQL looks for NULLs itself), type, length, first index; then each item after its length,
 * -1 = NULL.
 */
function binaryArray(oid: number, items: readonly (string | null)[], version?: number): Buffer {
  const header = items.length === 0 ? [0, 0, oid] : [1, 0, oid, items.length, 1];
  const prefixBytes = version === undefined ? 0 : 1;
  const lengths = items.map((item) => (item === null ? -1 : prefixBytes + Buffer.byteLength(item)));
  const bytes = lengths.reduce((sum, length) => sum + 4 + Math.max(0, length), 4 * header.length);
  const buffer = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const number of header) at = buffer.writeInt32BE(number, at);
  for (const [i, item] of items.entries()) {
    at = buffer.writeInt32BE(lengths[i] as number, at);
    if (item === null) continue;
    if (version !== undefined) at = buffer.writeUInt8(version, at);
    at += buffer.write(item, at);
  }
  return buffer;
}
