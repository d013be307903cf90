// What Redis may be in a run: how it is started, what can happen to it, and what has to.

import { clusterFaults } from './faults/cluster.ts';
import type { Fault } from './faults/fault.ts';
import { keyFaults } from './faults/keys.ts';
import { postgresFaults } from './faults/postgres.ts';
import { processFaults } from './faults/processes.ts';
import { sentinelFaults } from './faults/sentinel.ts';
import { lossyFaults, singleServerFaults } from './faults/single-server.ts';
import { openCluster } from './stores/cluster.ts';
import { openSentinel } from './stores/sentinel.ts';
import { openSingleServer } from './stores/single-server.ts';
import type { Store } from './stores/store.ts';

export type TopologyName = Store['kind'];

export interface Topology {
  readonly openStore: () => Promise<Store>;
  readonly faults: readonly Fault[];
  readonly lossyFaults: readonly Fault[];
  /** Beside those that happen everywhere. */
  readonly rareEvents: readonly string[];
  /** In a run of this length everything has to happen. */
  readonly gateSeconds: number;
  /** Of saves that wait for a replica. */
  readonly replicaShare: number;
  /** Of saves that wait for their row. */
  readonly postgresShare: number;
}

const anywhere = [...processFaults, ...postgresFaults, ...keyFaults];

export const topologies: Readonly<Record<TopologyName, Topology>> = {
  single: {
    openStore: openSingleServer,
    faults: [...singleServerFaults, ...anywhere],
    lossyFaults,
    rareEvents: [
      ...['refused when full', 'drained while full', 'half-open connection given up'],
      ...['bisect', 'row parked', 'parked row retried', 'breaker opened'],
    ],
    ...{ gateSeconds: 60, replicaShare: 0, postgresShare: 0.03 },
  },
  sentinel: {
    openStore: openSentinel,
    faults: [...sentinelFaults, ...anywhere],
    lossyFaults: [],
    rareEvents: ['replica promoted', 'save replicated'],
    // Many: what only PostgreSQL has is what a promotion must not overwrite.
    ...{ gateSeconds: 40, replicaShare: 0.15, postgresShare: 0.2 },
  },
  cluster: {
    openStore: openCluster,
    faults: [...clusterFaults, ...anywhere],
    lossyFaults: [],
    rareEvents: ['replica promoted', 'slot moved', 'save replicated'],
    ...{ gateSeconds: 40, replicaShare: 0.15, postgresShare: 0.05 },
  },
};
