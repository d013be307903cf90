import type { StandardSchemaV1 } from '@standard-schema/spec';
import { StateRejectedError } from './errors.ts';
import { formatJsonPath } from './json-path.ts';
import { decodeJson, encodeJson } from './state-codec.ts';

/** Between the bot's state and the text that is stored. */
export interface StateCodec<T> {
  /**
   * Without a schema the state is read before this returns, so the caller may change it right after the call.
   *
   * @throws StateRejectedError
   * @throws StateTooLargeError
   */
  encode(state: T): Promise<string>;
  /**
   * @param where names the session for the error, without its ids
   * @throws CorruptSessionError
   * @throws StateRejectedError when the schema refuses what is stored
   */
  decode(text: string, where: string): Promise<T>;
}

export function createStateCodec<T>(
  schema: StandardSchemaV1<unknown, T> | undefined,
  options: { readonly maxBytes: number },
): StateCodec<T> {
  return {
    async encode(state) {
      const accepted = schema && state !== undefined ? await validate(schema, state, 'state') : state;
      return encodeJson(accepted, { maxBytes: options.maxBytes, what: 'state' });
    },
    async decode(text, where) {
      const stored = decodeJson(text, where);
      // Without a schema the type is the caller's claim about what its bots save.
      return schema ? validate(schema, stored, `stored state of ${where}`) : (stored as T);
    },
  };
}

/** Only paths are shown: the messages of a schema library may quote values. */
async function validate<T>(schema: StandardSchemaV1<unknown, T>, value: unknown, what: string): Promise<T> {
  let result: StandardSchemaV1.Result<T>;
  try {
    result = await schema['~standard'].validate(value);
  } catch {
    throw new StateRejectedError(what, '$', 'made the schema throw an error');
  }
  if (!result.issues) return result.value;
  const [first, ...others] = result.issues;
  const segments = (first?.path ?? []).map((part) => (typeof part === 'object' ? part.key : part));
  const more = others.length > 0 ? ` (and ${others.length} more)` : '';
  throw new StateRejectedError(what, formatJsonPath(segments), `was refused by the schema${more}`);
}
