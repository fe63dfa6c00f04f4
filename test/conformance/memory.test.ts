import { memory, MemoryStore } from '../../src/index.ts'
import { testEngine } from '../../src/testing/index.ts'
import { DEADLINE_MS } from '../helpers/until.ts'
import { seed } from './seed.ts'

const store = new MemoryStore()
let resources = 0

testEngine({
  name: 'memory',
  capabilities: {
    ordered: true,
    shared: true,
    permits: true,
    take: true,
    recovered: false,
    steal: true,
    downgrade: true,
    releasesAtOnce: true,
  },
  openClient: () => memory(store),
  resource: () => `resource-${(resources += 1)}`,
  timeoutMs: DEADLINE_MS,
  seed,
})
