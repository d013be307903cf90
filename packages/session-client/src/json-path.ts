const MAX_KEY_LENGTH = 64;
const MAX_PATH_LENGTH = 200;
const identifier = /^[A-Za-z_$][A-Za-z0-9_$]*$/;

/** `['cart', 'items', 2]` → `$.cart.items[2]`; other keys are quoted, long keys and paths are cut. Pure. */
export function formatJsonPath(segments: readonly PropertyKey[]): string {
  const path = segments.map(formatSegment).join('');
  return path.length > MAX_PATH_LENGTH ? `$${path.slice(0, MAX_PATH_LENGTH)}…` : `$${path}`;
}

function formatSegment(segment: PropertyKey): string {
  if (typeof segment === 'number') return `[${segment}]`;
  const key = String(segment);
  const shown = key.length > MAX_KEY_LENGTH ? `${key.slice(0, MAX_KEY_LENGTH)}…` : key;
  return identifier.test(shown) ? `.${shown}` : `[${JSON.stringify(shown)}]`;
}
