import { listPending, type PendingConsumer } from '@cauce/admin';
import { Option } from 'commander';
import { parseCount } from '../arguments.ts';
import { type CommandDescriptor, withRedis } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';
import { counted, duration, table } from '../render.ts';
import { checkedPartition, type PartitionOption } from '../shared-options.ts';

export const pendingCommand: CommandDescriptor<PartitionOption> = {
  name: 'pending',
  summary: 'list the events that consumers hold',
  description:
    'Lists the events that each consumer holds and has not settled yet (with --json: for each partition). A few for a ' +
    'live consumer are normal. When a consumer is gone, another one takes over its events after SYNC_CLAIM_IDLE; ' +
    '`cauce replay` does it at once.',
  options: [new Option('--partition <number>', 'only this partition').argParser(parseCount)],
  examples: ['pending', 'pending --partition 7', 'pending --json'],
  exitCodes: [],
  required: ['REDIS_URL'],

  async run(invocation) {
    const { settings, output, options } = invocation;
    const partition = checkedPartition(options, settings);
    const consumers = await withRedis(invocation, (deps) => listPending(deps, { partition }));
    const events = consumers.reduce((sum, consumer) => sum + consumer.events, 0);
    output.result(
      { events, consumers },
      consumers.length === 0
        ? 'Nothing is pending.'
        : `${counted(events, 'pending event')}\n\n${table(
            ['CONSUMER', 'EVENTS', 'PARTITIONS', 'MIN IDLE', 'MAX IDLE', 'MAX DELIVERIES', 'CONSUMER IS'],
            sumByConsumer(consumers).map((one) => [
              one.consumer,
              one.events,
              one.partitions,
              duration(one.minIdleMs),
              duration(one.maxIdleMs) + (one.isTruncated ? ' (of the oldest)' : ''),
              one.maxDeliveries,
              one.isLive ? 'live' : 'gone',
            ]),
          )}`,
    );
    return exitCodes.ok;
  },
};

/** A consumer works on many partitions; a person asks about the consumer. Pure. */
function sumByConsumer(rows: readonly PendingConsumer[]): (PendingConsumer & { partitions: number })[] {
  const sums = new Map<string, PendingConsumer & { partitions: number }>();
  for (const row of rows) {
    const sum = sums.get(row.consumer);
    sums.set(row.consumer, {
      ...row,
      partitions: (sum?.partitions ?? 0) + 1,
      events: (sum?.events ?? 0) + row.events,
      minIdleMs: Math.min(sum?.minIdleMs ?? row.minIdleMs, row.minIdleMs),
      maxIdleMs: Math.max(sum?.maxIdleMs ?? 0, row.maxIdleMs),
      maxDeliveries: Math.max(sum?.maxDeliveries ?? 0, row.maxDeliveries),
      isTruncated: (sum?.isTruncated ?? false) || row.isTruncated,
    });
  }
  return [...sums.values()];
}
