// The conformance suite on a real server. Each client has connections of its own.
import { randomBytes } from 'node:crypto'
import { postgres } from '../../../src/engines/postgres/index.ts'
import { testEngine } from '../../../src/testing/index.ts'
import { seed } from '../../conformance/seed.ts'
import { addressOf } from '../helpers/servers.ts'

const CONNECTIONS = 20
const namespace = `conformance-${randomBytes(8).toString('hex')}`
let resources = 0

testEngine({
  name: 'postgres',
  capabilities: {
    ordered: true,
    shared: true,
    permits: true,
    take: true,
    recovered: false,
    downgrade: true,
    places: CONNECTIONS,
    releasesAtOnce: false,
  },
  openClient: () => postgres({ connectionString: addressOf('postgres'), namespace, maxConnections: CONNECTIONS }),
  // Every third one is no word.
  resource: () =>
    (resources += 1) % 3 === 0 ? `*/ {"ü\u{1f512}" ${'long '.repeat(100)}${resources}` : `lock/${resources}`,
  // Connections are used again.
  lingerMs: 200,
  rounds: 10,
  seed,
})
