import type { Servers } from '../servers.ts';
import { type BacklogLatencyProfile, measureBacklogLatency } from './backlog-latency.ts';
import { type ConsumerCpuProfile, measureConsumerCpu } from './consumer-cpu.ts';
import { type EndToEndProfile, measureEndToEnd } from './end-to-end.ts';
import { type GrowthProfile, measureGrowth } from './growth.ts';
import { type LoadProfile, measureLoads } from './load.ts';
import { type MemoryProfile, measureMemory } from './memory.ts';
import { measureOutageMemory, type OutageMemoryProfile } from './outage-memory.ts';
import { measurePipeline, type PipelineProfile } from './pipeline.ts';
import { measureSaves, type SaveProfile } from './save.ts';
import type { SuiteResult } from './suite.ts';
import { measureSync, type SyncProfile } from './sync.ts';
import { measureTraffic, type TrafficProfile } from './traffic.ts';

/** How much each suite does. */
export interface Profile {
  readonly save: SaveProfile;
  readonly pipeline: PipelineProfile;
  readonly load: LoadProfile;
  readonly sync: SyncProfile;
  readonly traffic: TrafficProfile;
  readonly memory: MemoryProfile;
  readonly outageMemory: OutageMemoryProfile;
  readonly backlogLatency: BacklogLatencyProfile;
  readonly consumerCpu: ConsumerCpuProfile;
  readonly endToEnd: EndToEndProfile;
  readonly growth: GrowthProfile;
}

export type SuiteName = keyof Profile;

interface Suite<SuiteProfile> {
  readonly title: string;
  measure(servers: Servers, profile: SuiteProfile): Promise<SuiteResult>;
}

/** By the names `--only` takes and the profiles use. */
export const suites: { readonly [Name in SuiteName]: Suite<Profile[Name]> } = {
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

export function measureSuite<Name extends SuiteName>(
  name: Name,
  servers: Servers,
  profile: Profile,
): Promise<SuiteResult> {
  return suites[name].measure(servers, profile[name]);
}

export function isSuite(name: string): name is SuiteName {
  return Object.hasOwn(suites, name);
}
