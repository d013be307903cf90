import { CauceError, CorruptSessionError } from '@cauce/protocol';
import { StateRejectedError, StateTooLargeError } from './errors.ts';
import { formatJsonPath } from './json-path.ts';

/** Deepest nesting of objects and arrays. JSON.stringify dies at about 10,000; a cycle ends here too. */
export const MAX_STATE_DEPTH = 100;

export interface EncodeOptions {
  /** Largest result, bytes of UTF-8. */
  readonly maxBytes: number;
  /** What the errors call the value. */
  readonly what: 'state' | 'tenant info';
}

type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/**
 * The JSON text of a value, or an error that names the place. What is accepted here, PostgreSQL's jsonb
 * accepts too, and decoding gives the same value back (only `-0` becomes `0`, and undefined members are left out).
 *
 * A copy is checked and the copy is written, so a getter or a toJSON that answers differently the second time
 * cannot get anything past the check.
 *
 * @throws StateRejectedError
 * @throws StateTooLargeError
 */
export function encodeJson(value: unknown, options: EncodeOptions): string {
  const copier = new JsonCopier(options);
  const text = JSON.stringify(copier.copyRoot(value));
  const bytes = Buffer.byteLength(text);
  if (bytes > options.maxBytes) throw new StateTooLargeError(options.what, bytes, options.maxBytes);
  return text;
}

/**
 * Reads JSON text back.
 *
 * @param where names the place for the error, without content
 * @throws CorruptSessionError when it is not JSON or has `__proto__` keys, which {@link encodeJson} never writes
 */
export function decodeJson(text: string, where: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Without the cause: its message quotes the text.
    throw new CorruptSessionError(`What is stored for ${where} is not JSON.`);
  }
  // The key may be spelled with \u escapes; only then, or when it is there, is a look inside needed.
  if ((text.includes('__proto__') || text.includes('\\u00')) && hasProtoKey(value)) {
    throw new CorruptSessionError(`What is stored for ${where} has a __proto__ key.`);
  }
  return value;
}

class JsonCopier {
  readonly #options: EncodeOptions;
  readonly #path: (string | number)[] = [];
  /** Lower bound of the result: ends values that refer to their parts so often that they explode. */
  #bytes = 0;

  constructor(options: EncodeOptions) {
    this.#options = options;
  }

  copyRoot(value: unknown): Json {
    try {
      const copy = this.#copy(value);
      if (copy !== undefined) return copy;
    } catch (error) {
      if (error instanceof CauceError) throw error;
      // A getter, a toJSON or a proxy threw. Its message may hold values.
      this.#reject('threw an error when it was read');
    }
    return this.#reject(
      this.#options.what === 'state'
        ? 'is undefined; use clearUserState to clear a session'
        : 'is undefined; JSON has no such value',
    );
  }

  #copy(value: unknown): Json | undefined {
    switch (typeof value) {
      case 'string':
        this.#checkText(value, 'has');
        this.#spend(value.length + 2);
        return value;
      case 'number':
        if (!Number.isFinite(value)) this.#reject(`is ${value}; JSON has no such number`);
        this.#spend(1);
        return value;
      case 'boolean':
        this.#spend(4);
        return value;
      case 'undefined':
        return undefined;
      case 'object':
        if (value !== null) return this.#copyObject(value);
        this.#spend(4);
        return value;
      case 'bigint':
      case 'function':
      case 'symbol':
        return this.#reject(`is a ${typeof value}; JSON has no such value`);
    }
  }

  #copyObject(value: object): Json | undefined {
    if (!('toJSON' in value) || typeof value.toJSON !== 'function') return this.#copyMembers(value);
    if (value instanceof Date && Number.isNaN(value.getTime())) this.#reject('is an invalid Date');
    const replacement: unknown = value.toJSON(String(this.#path.at(-1) ?? ''));
    // As JSON.stringify has it, the replacement's own toJSON is not called.
    return typeof replacement === 'object' && replacement !== null
      ? this.#copyMembers(replacement)
      : this.#copy(replacement);
  }

  #copyMembers(value: object): Json {
    if (this.#path.length >= MAX_STATE_DEPTH) {
      this.#reject(`is nested deeper than ${MAX_STATE_DEPTH} levels, or contains itself`);
    }
    this.#spend(2);
    if (Array.isArray(value)) return this.#copyArray(value);
    if (!isPlainObject(value)) {
      this.#reject(`is an instance of ${nameOfClass(value)}, which JSON cannot hold`);
    }
    const copy: { [key: string]: Json } = {};
    for (const key of Object.keys(value)) {
      this.#path.push(key);
      if (key === '__proto__') this.#reject('is a __proto__ key');
      this.#checkText(key, 'is a key with');
      const member = this.#copy((value as Record<string, unknown>)[key]);
      if (member !== undefined) {
        this.#spend(key.length + 3);
        copy[key] = member;
      }
      this.#path.pop();
    }
    this.#refuseSymbolKeys(value);
    return copy;
  }

  #copyArray(value: readonly unknown[]): Json[] {
    const copy: Json[] = [];
    for (let index = 0; index < value.length; index++) {
      this.#path.push(index);
      const item = this.#copy(value[index]);
      copy.push(item === undefined ? this.#reject('is undefined inside an array') : item);
      this.#path.pop();
    }
    if (Object.keys(value).length > copy.length) {
      this.#reject('is an array with named properties, which JSON would drop');
    }
    this.#refuseSymbolKeys(value);
    return copy;
  }

  #refuseSymbolKeys(value: object): void {
    const symbols = Object.getOwnPropertySymbols(value);
    if (symbols.some((symbol) => Object.prototype.propertyIsEnumerable.call(value, symbol))) {
      this.#reject('has a symbol as a key, which JSON would drop');
    }
  }

  #checkText(text: string, verb: string): void {
    if (text.includes('\0')) this.#reject(`${verb} a \\u0000, which PostgreSQL cannot store`);
    if (!text.isWellFormed()) this.#reject(`${verb} a lone surrogate: it was cut inside a character`);
  }

  #spend(bytes: number): void {
    this.#bytes += bytes;
    const { what, maxBytes } = this.#options;
    if (this.#bytes > maxBytes) throw new StateTooLargeError(what, this.#bytes, maxBytes);
  }

  #reject(reason: string): never {
    throw new StateRejectedError(this.#options.what, formatJsonPath(this.#path), reason);
  }
}

/** Also one of another realm, such as a test runner's. */
function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return (
    prototype === null ||
    prototype === Object.prototype ||
    (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype as object, 'isPrototypeOf'))
  );
}

function nameOfClass(value: object): string {
  const name: unknown = value.constructor?.name;
  return typeof name === 'string' && name !== '' ? name : 'a class';
}

function hasProtoKey(root: unknown): boolean {
  const open = [root];
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (typeof value !== 'object' || value === null) continue;
    if (Object.hasOwn(value, '__proto__')) return true;
    for (const member of Object.values(value)) open.push(member);
  }
  return false;
}
