// What Redis may be in a run: how it is started, what can happen to it, and what has to.
import { clusterFaults } from './faults/cluster.mjs';
import { keyFaults } from './faults/keys.mjs';
import { postgresFaults } from './faults/postgres.mjs';
import { processFaults } from './faults/processes.mjs';
import { sentinelFaults } from './faults/sentinel.mjs';
import { lossyFaults, singleServerFaults } from './faults/single-server.mjs';
import { openCluster } from './stores/cluster.mjs';
import { openSentinel } from './stores/sentinel.mjs';
import { openSingleServer } from './stores/single-server.mjs';

/**
 * @typedef {object} Topology
 * @property {() => Promise<import('./stores/single-server.mjs').Store>} openStore
 * @property {import('./faults/fault.mjs').Fault[]} faults
 * @property {import('./faults/fault.mjs').Fault[]} lossyFaults
 * @property {string[]} rareEvents beside those that happen everywhere
 * @property {number} gateSeconds in a run of this length everything has to happen
 * @property {number} replicaShare of saves that wait for a replica
 * @property {number} postgresShare of saves that wait for their row
 */

const anywhere = [...processFaults, ...postgresFaults, ...keyFaults];

/** @type {Record<string, Topology>} */
export const topologies = {
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
