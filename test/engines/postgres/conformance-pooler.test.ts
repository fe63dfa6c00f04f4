// The conformance suite through a PgBouncer that hands sessions round: each lock is an open transaction.
import { randomBytes } from 'node:crypto'
import { after, test } from 'node:test'
import { postgres } from '../../../src/engines/postgres/index.ts'
import { testEngine } from '../../../src/testing/index.ts'
import { seed } from '../../conformance/seed.ts'
import { Pooler, withoutPgBouncer } from '../helpers/pooler.ts'
import { addressOf } from '../helpers/servers.ts'

const CONNECTIONS = 20
const namespace = `conformance-pooler-${randomBytes(8).toString('hex')}`
let resources = 0

if (withoutPgBouncer() === false) {
  const pooler = await Pooler.start(addressOf('postgres'), 'transaction', 100)
  after(() => pooler.end())

  testEngine({
    name: 'postgres through PgBouncer',
    capabilities: {
      ordered: true,
      shared: true,
      permits: false,
      take: false,
      recovered: false,
      downgrade: false,
      places: CONNECTIONS,
      releasesAtOnce: false,
    },
    openClient: () =>
      postgres({ connectionString: pooler.url, namespace, maxConnections: CONNECTIONS, pooler: 'transaction' }),
    resource: () => `lock/${(resources += 1)}`,
    lingerMs: 200,
    rounds: 10,
    seed,
  })
} else test('the suite through PgBouncer', { skip: withoutPgBouncer() }, () => {})
