import { etcd } from '../../../src/engines/etcd/index.ts'
import { testEngine } from '../../../src/testing/index.ts'
import { seed } from '../../conformance/seed.ts'

for (const [name, variable] of [
  ['etcd, one node', 'SLOCKET_ETCD'],
  ['etcd, three nodes', 'SLOCKET_ETCD_CLUSTER'],
] as const) {
  const endpoints = process.env[variable]?.split(',') ?? []
  const namespace = `conformance-${process.pid}-${Date.now()}`
  let resources = 0

  testEngine({
    name,
    capabilities: { ordered: true, shared: true, permits: true, recovered: false, steal: true, releasesAtOnce: false },
    openClient: () => etcd({ endpoints, namespace }),
    resource: () => `resource-${(resources += 1)}`,
    lingerMs: 1000,
    rounds: 40,
    seed,
  })
}
