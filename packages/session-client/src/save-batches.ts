import {
  isCluster,
  type RedisConnection,
  RedisError,
  type SaveCall,
  type SaveLimits,
  type SaveReply,
  type Scripts,
} from '@cauce/protocol';

/**
 * Saves that are called in one turn of the event loop leave in one call of the script, which costs the bot and Redis
 * more than a save in it does. None waits for a later turn, and each has an answer of its own.
 *
 *   collecting ──── the turn ends, or the batch is full ───► sent
 *
 * A batch takes saves of any partitions; where Redis is a cluster, of one.
 */
export type SendSave = (save: SaveCall) => Promise<SaveReply>;

export interface SaveBatchesDeps {
  readonly redis: RedisConnection;
  readonly scripts: Pick<Scripts, 'save'>;
}

interface Waiting {
  readonly save: SaveCall;
  readonly resolve: (reply: SaveReply) => void;
  readonly reject: (why: unknown) => void;
}

interface Batch {
  readonly saves: Waiting[];
  chars: number;
}

/** So few that Redis works on a burst's first saves while the others are made, and on nothing else for 0.2 ms. */
export const MAX_BATCH_SAVES = 8;
/** Large states cost more. */
const MAX_BATCH_CHARS = 65_536;
const ANY_PARTITION = -1;

/** @returns a function that rejects with RedisError */
export function createSaveBatches({ redis, scripts }: SaveBatchesDeps, limits: SaveLimits): SendSave {
  const collecting = new Map<number, Batch>();
  let isPartitioned = isCluster(redis);

  async function send(saves: readonly Waiting[]): Promise<void> {
    try {
      const replies = await scripts.save(
        saves.map(({ save }) => save),
        limits,
      );
      saves.forEach(({ resolve }, i) => {
        resolve(replies[i] as SaveReply);
      });
    } catch (error) {
      if (saves.length > 1 && isCrossSlot(error)) {
        // A cluster behind a connection to one server; nothing was applied.
        isPartitioned = true;
        for (const one of saves) void send([one]);
      } else for (const { reject } of saves) reject(error);
    }
  }

  function close(group: number, batch: Batch): void {
    if (collecting.get(group) !== batch) return;
    collecting.delete(group);
    void send(batch.saves);
  }

  function open(group: number): Batch {
    const batch: Batch = { saves: [], chars: 0 };
    collecting.set(group, batch);
    process.nextTick(close, group, batch);
    return batch;
  }

  return (save) =>
    new Promise((resolve, reject) => {
      const group = isPartitioned ? save.session.partition : ANY_PARTITION;
      const batch = collecting.get(group) ?? open(group);
      batch.saves.push({ save, resolve, reject });
      batch.chars += save.state.length;
      if (batch.saves.length === MAX_BATCH_SAVES || batch.chars >= MAX_BATCH_CHARS) close(group, batch);
    });
}

function isCrossSlot(error: unknown): boolean {
  return error instanceof RedisError && error.failure.reason === 'CROSSSLOT';
}
