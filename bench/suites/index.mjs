import { measureBacklogLatency } from './backlog-latency.mjs';
import { measureConsumerCpu } from './consumer-cpu.mjs';
import { measureEndToEnd } from './end-to-end.mjs';
import { measureGrowth } from './growth.mjs';
import { measureLoads } from './load.mjs';
import { measureMemory } from './memory.mjs';
import { measureOutageMemory } from './outage-memory.mjs';
import { measurePipeline } from './pipeline.mjs';
import { measureSaves } from './save.mjs';
import { measureSync } from './sync.mjs';
import { measureTraffic } from './traffic.mjs';

/** By the names `--only` takes and the profiles use. */
export const suites = {
  save: { title: 'Save', measure: measureSaves },
  pipeline: { title: 'Save while it is synced', measure: measurePipeline },
  load: { title: 'Load', measure: measureLoads },
  sync: { title: 'Sync', measure: measureSync },
  traffic: { title: 'Traffic to PostgreSQL', measure: measureTraffic },
  memory: { title: 'Memory of Redis', measure: measureMemory },
  outageMemory: { title: 'Memory of Redis during an outage', measure: measureOutageMemory },
  backlogLatency: { title: 'Saves while a backlog drains', measure: measureBacklogLatency },
  consumerCpu: { title: 'Processor time of the consumer', measure: measureConsumerCpu },
  endToEnd: { title: 'End to end', measure: measureEndToEnd },
  // Last: it leaves a large append-only file behind.
  growth: { title: 'Growth', measure: measureGrowth },
};
