import { etcd } from '../../../src/engines/etcd/index.ts'
import { testEngine } from '../../../src/testing/index.ts'
import { seed } from '../../conformance/seed.ts'

const ONE = ['etcd, one node', 'SLOCKET_ETCD'] as const
const THREE = ['etcd, three nodes', 'SLOCKET_ETCD_CLUSTER'] as const

/** As in that of Redis: on a busy machine ten seconds are too short. */
const TTL_MS = 60_000

// In CI, where time is short, the cluster is for the faults.
for (const [name, variable] of process.env['CI'] === 'true' ? [ONE] : [ONE, THREE]) {
  const endpoints = process.env[variable]?.split(',') ?? []
  const namespace = `conformance-${process.pid}-${Date.now()}`
  let resources = 0

  testEngine({
    name,
    capabilities: {
      ordered: true,
      shared: true,
      permits: true,
      take: true,
      recovered: false,
      steal: true,
      downgrade: true,
      releasesAtOnce: false,
    },
    openClient: () => etcd({ endpoints, namespace, ttl: TTL_MS }),
    resource: () => `resource-${(resources += 1)}`,
    lingerMs: 1000,
    rounds: 10,
    timeoutMs: 110_000,
    seed,
  })
}
