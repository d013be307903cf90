import { countInstructions } from './count-instructions.ts';
import { measureSessionMemory } from './session-memory.ts';

const STATE_BYTES = 1024;
const TOGETHER = 8;
const SESSIONS = 100_000;

/** What a save costs Redis: in instructions, which repeat within 2 % whatever else the machine does, and in bytes. */
export async function reportInstructions(): Promise<string> {
  const { redisVersion, counts } = await countInstructions({ stateBytes: STATE_BYTES, together: TOGETHER });
  const { keyBytes, usedBytes } = await measureSessionMemory({ stateBytes: STATE_BYTES, sessions: SESSIONS });
  const number = (value: number) => Math.round(value).toLocaleString('en');
  return [
    `Instructions of Redis ${redisVersion}, states of ${STATE_BYTES} bytes, append-only file on`,
    '',
    ...counts.map(({ what, instructions }) => `${number(instructions).padStart(9)}  ${what}`),
    '',
    `Bytes of Redis a synced session of ${STATE_BYTES} bytes of state, of ${number(SESSIONS)}`,
    '',
    `${number(keyBytes).padStart(9)}  MEMORY USAGE of its key`,
    `${number(usedBytes).padStart(9)}  used_memory, divided by the sessions`,
  ].join('\n');
}
