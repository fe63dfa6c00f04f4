import type { Engine } from '../../../src/index.ts'
import { redis } from '../../../src/engines/redis/index.ts'
import { testEngine } from '../../../src/testing/index.ts'
import { seed } from '../../conformance/seed.ts'
import { CLIENTS } from './clients.ts'
import type { OpenClient } from './clients.ts'

const url = process.env['SLOCKET_REDIS'] ?? ''
const namespace = `conformance-${process.pid}-${Date.now()}`
const opened = new Map<Engine, OpenClient>()
/** On a busy machine a test can be without a processor for longer than ten seconds, and would lose its locks. No test here waits for the end of a lease. */
const TTL_MS = 60_000
let resources = 0

// In CI, where time is short, one of them: clients.test.ts has what differs.
for (const name of process.env['CI'] === 'true' ? ['ioredis 6'] : ['redis 6', 'ioredis 6']) {
  testEngine({
    name: `Redis by ${name}`,
    capabilities: {
      ordered: true,
      shared: true,
      permits: true,
      take: true,
      recovered: true,
      steal: true,
      downgrade: true,
      releasesAtOnce: false,
    },
    async openClient() {
      const client = await CLIENTS[name]!(url)
      const engine = redis({ client: client.client, namespace, ttl: TTL_MS })
      opened.set(engine, client)
      return engine
    },
    closeClient(engine) {
      opened.get(engine)?.close()
      opened.delete(engine)
    },
    resource: () => `resource-${(resources += 1)}`,
    lingerMs: 1000,
    rounds: 20,
    timeoutMs: 110_000,
    seed,
  })
}
