import { isCauceError, type SessionRef, toSessionRef, type Version } from '@cauce/protocol';
import type { DoneLine, SentLine } from './history-line.ts';
import { type HistoryOptions, openHistory } from './open-history.ts';
import { nameSession } from './session-name.ts';
import { hashState, type StateHash } from './state-hash.ts';

type SessionName = SessionRef | string;

interface SaveOptions {
  readonly ifVersion?: Version | undefined;
  readonly opId?: string | undefined;
}

interface SaveReceipt {
  readonly version: Version;
  readonly opId: string;
  readonly isReplay: boolean;
  readonly durability?: 'memory' | 'replica' | 'postgres';
}

/** What is recorded of a session client; `SessionClient` of `@cauce/session-client` fits. */
export interface RecordableClient {
  // biome-ignore-start lint/suspicious/noExplicitAny: the client's own type of states is kept
  saveUserState(session: SessionName, state: any, options?: any): Promise<SaveReceipt>;
  getUserState(session: SessionName, options?: any): Promise<any>;
  getUserSession(
    session: SessionName,
    options?: any,
  ): Promise<{ readonly state: any; readonly version: Version } | undefined>;
  getUserStates(sessions: readonly SessionName[], options?: any): Promise<any[]>;
  updateUserState(session: SessionName, change: (state: any) => any, options?: any): Promise<SaveReceipt>;
  clearUserState(session: SessionName, options?: any): Promise<SaveReceipt>;
  // biome-ignore-end lint/suspicious/noExplicitAny: the client's own type of states is kept
  close(): Promise<void>;
}

/**
 * The same client; each save and load is written to the history before it is sent and after its answer, at once, so
 * that a bot that is killed leaves "sent, outcome unknown" behind. States are written as hashes only. What a call
 * gives or throws is what the client gives or throws. Closing the client closes the history.
 *
 * The hash is of the state the caller sees: a schema that changes what it validates makes its loads look wrong.
 *
 * @throws what opening the file throws
 */
export function recordHistory<Client extends RecordableClient>(
  client: Client,
  options: HistoryOptions,
): Client {
  const history = openHistory(options);
  let calls = 0;

  async function record<Result>(
    sent: SentLine | undefined,
    send: (n: number) => Promise<Result>,
    describe: (result: Result) => Omit<DoneLine, 'at' | 'outcome'>,
    isRefused: () => boolean = () => false,
  ): Promise<Result> {
    const n = calls++;
    // An invalid id: the client says so.
    if (!sent) return send(n);
    history.write({ n, ...sent });
    let result: Result;
    try {
      result = await send(n);
    } catch (error) {
      history.write({ at: 'done', n, ...describeFailure(error, isRefused()) });
      throw error;
    }
    history.write({ at: 'done', n, outcome: 'ok', ...describe(result) });
    return result;
  }

  const load = (session: SessionName, callOptions: unknown): ReturnType<Client['getUserSession']> =>
    record(
      sentLine('load', session),
      () => client.getUserSession(session, callOptions),
      (found) => ({ version: found?.version, state: found ? tryHash(found.state) : null }),
    ) as ReturnType<Client['getUserSession']>;

  const close = async (): Promise<void> => {
    await client.close();
    history.close();
  };

  const recorded: RecordableClient & AsyncDisposable = {
    saveUserState: (session, state, saveOptions) =>
      record(
        sentLine('save', session, { ...conditionsOf(saveOptions), state: tryHash(state) }),
        () => client.saveUserState(session, state, saveOptions),
        describeReceipt,
      ),
    clearUserState: (session, saveOptions) =>
      record(
        sentLine('clear', session, conditionsOf(saveOptions)),
        () => client.clearUserState(session, saveOptions),
        describeReceipt,
      ),
    updateUserState(session, change, updateOptions) {
      let isThrownByChange = false;
      return record(
        sentLine('update', session),
        (n) =>
          client.updateUserState(
            session,
            async (present) => {
              const base = present === undefined ? null : tryHash(present);
              try {
                const state = await change(present);
                history.write({ at: 'attempt', n, base, state: tryHash(state) });
                return state;
              } catch (error) {
                isThrownByChange = true;
                throw error;
              }
            },
            updateOptions,
          ),
        describeReceipt,
        () => isThrownByChange,
      );
    },
    // The same load; this one also tells the version.
    getUserState: async (session, callOptions) => (await load(session, callOptions))?.state,
    getUserSession: load,
    getUserStates: (sessions, callOptions) =>
      record(
        sentMany(sessions),
        () => client.getUserStates(sessions, callOptions),
        (found) => {
          const states = found.map((state) => (state === undefined ? null : tryHash(state)));
          return { states: states.includes(undefined) ? undefined : states };
        },
      ),
    close,
    [Symbol.asyncDispose]: close,
  };
  return { ...client, ...recorded };
}

function sentLine(
  op: 'save' | 'clear' | 'update' | 'load',
  session: SessionName,
  rest: object = {},
): SentLine | undefined {
  const name = tryName(session);
  return name === undefined ? undefined : { at: 'call', op, session: name, ...rest };
}

function sentMany(sessions: readonly SessionName[]): SentLine | undefined {
  // No array: the client says so.
  if (!Array.isArray(sessions)) return undefined;
  const names = sessions.flatMap((session) => tryName(session) ?? []);
  return names.length < sessions.length ? undefined : { at: 'call', op: 'loadMany', sessions: names };
}

function conditionsOf({ opId, ifVersion }: SaveOptions = {}): SaveOptions {
  return { opId, ifVersion };
}

function describeReceipt(receipt: SaveReceipt): Omit<DoneLine, 'at' | 'outcome'> {
  const { version, opId, isReplay, durability } = receipt;
  const reached = durability === 'memory' ? undefined : durability;
  return { version, opId, isReplay: isReplay || undefined, durability: reached };
}

/** A save happened or not, unless the client says that it does not know, or what was thrown is not the client's. */
function describeFailure(error: unknown, isRefused: boolean): Omit<DoneLine, 'at'> {
  if (!isCauceError(error)) return { outcome: isRefused ? 'fail' : 'unknown', code: 'OTHER' };
  // Saved, only not as far as it was asked to be.
  if (error.code === 'NOT_DURABLE' && 'receipt' in error) {
    return { outcome: 'ok', code: error.code, ...describeReceipt(error.receipt as SaveReceipt) };
  }
  const opId = 'opId' in error && typeof error.opId === 'string' ? error.opId : undefined;
  // An aborted call has an op id when its save had been sent.
  const isUnknown = error.code === 'SAVE_UNKNOWN' || (error.code === 'ABORTED' && opId !== undefined);
  return { outcome: isUnknown ? 'unknown' : 'fail', opId, code: error.code };
}

function tryName(session: SessionName): string | undefined {
  try {
    return nameSession(toSessionRef(session));
  } catch {
    return undefined;
  }
}

/** Undefined for what is not JSON: the client refuses it. */
function tryHash(state: unknown): StateHash | undefined {
  try {
    return hashState(state);
  } catch {
    return undefined;
  }
}
