// TLS and users, on a server of this test's own.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { inspect } from 'node:util'
import { Connection } from '../../../src/engines/etcd/connection.ts'
import { etcd } from '../../../src/engines/etcd/index.ts'
import { isSlocketError, slocket } from '../../../src/index.ts'
import { until } from '../../helpers/until.ts'
import { etcdctl } from '../helpers/etcd-cluster.ts'
import { Servers } from '../helpers/servers.ts'

const TTL_MS = 5000
const credentials = { username: 'locker', password: 'secret' }

let servers: Servers
let endpoint: string
let tls: { ca: Buffer; cert: Buffer; key: Buffer }

before(async () => {
  servers = await Servers.start('secure')
  endpoint = servers.addressOf('secure')
  const read = (name: string): Buffer => fs.readFileSync(join(servers.directory, 'secure', name))
  tls = { ca: read('ca.pem'), cert: read('client.pem'), key: read('client.key') }
})
after(() => servers.close())

describe('etcd with TLS and users', () => {
  test('locks are granted, waited for and passed on; an expired token is replaced', async () => {
    const [a, b] = [etcd({ endpoints: endpoint, tls, credentials }), etcd({ endpoints: endpoint, tls, credentials })]
    const held = await slocket('deploy', { engine: a })
    const waiting = slocket('deploy', { engine: b, label: 'waiting' })
    await until('it waits', async () => (await slocket.query('deploy', { engine: a })).pending.length === 1)
    // Longer than tokens live. The renewals of the lease are further apart.
    await new Promise((resolve) => setTimeout(resolve, 2500))
    await held.release()
    await (await waiting).release()
  })

  test('many calls that are refused at once, since their token has expired, get one new token', async (context) => {
    const engine = etcd({ endpoints: endpoint, tls, credentials })
    const names = Array.from({ length: 100 }, (_, index) => `many-${index}`)
    const locks = await Promise.all(names.map(async (name) => await slocket(name, { engine })))
    const { mock } = context.mock.method(Connection.prototype, 'call')
    // Longer than tokens live. The renewals of the lease are further apart.
    await new Promise((resolve) => setTimeout(resolve, 2500))
    await Promise.all(locks.map(async (lock) => await lock.release()))
    const asked = (method: string): number => mock.calls.filter((call) => call.arguments[0].method === method).length
    assert.ok(asked('DeleteRange') > names.length, 'no token has expired')
    assert.ok(asked('Authenticate') < 5, `${asked('Authenticate')} tokens`)
  })

  test('a client that knows a password for a server that checks none goes on when it begins to', async () => {
    const path = (name: string): string => join(servers.directory, 'secure', name)
    const flags = ['--cacert', path('ca.pem'), '--cert', path('client.pem'), '--key', path('client.key')]
    const operate = async (...words: string[]): Promise<string> => await etcdctl(endpoint, ...flags, ...words)
    await operate('--user', 'root:root', 'auth', 'disable')
    const [engine, other] = [1, 2].map(() => etcd({ endpoints: endpoint, tls, credentials, ttl: TTL_MS }))
    const held = await slocket('deploy', { engine: engine! })
    const waiting = slocket('deploy', { engine: other! })
    await until('it waits', async () => (await slocket.query('deploy', { engine: engine! })).pending.length === 1)
    await operate('auth', 'enable')
    // Leases are renewed meanwhile.
    await new Promise((resolve) => setTimeout(resolve, 1.5 * TTL_MS))
    held.assertHeld()
    await held.release()
    await (await waiting).release()
  })

  test("connecting causes no warning in the server's log", async () => {
    const warnings = (): number =>
      fs.readFileSync(join(servers.directory, 'secure.log'), 'utf8').split('rejected connection').length
    const earlier = warnings()
    await (await slocket('deploy', { engine: etcd({ endpoints: endpoint, tls, credentials }) })).release()
    assert.equal(warnings(), earlier)
  })

  test('without a client certificate, or with another authority, the server is unreachable', async () => {
    const wrongs = [{ ca: tls.ca }, { cert: tls.cert, key: tls.key }].map(async (wrong) => {
      const engine = etcd({ endpoints: endpoint, tls: wrong, credentials, ttl: 5000 })
      await assert.rejects(slocket.try('deploy', { engine }), (error) =>
        isSlocketError(error, 'ERR_SLOCKET_UNREACHABLE'),
      )
    })
    await Promise.all(wrongs)
  })

  test('a wrong password is an error, and so are keys that the user may not write', async () => {
    const engines = [
      etcd({ endpoints: endpoint, tls, credentials: { ...credentials, password: 'WRONG' } }),
      etcd({ endpoints: endpoint, tls }),
      etcd({ endpoints: endpoint, tls, credentials, namespace: 'other' }),
    ]
    for (const engine of engines) {
      for (const ask of [slocket, slocket.query]) {
        await assert.rejects(ask('deploy', { engine }), (error) => {
          // Neither the password, nor the key of the client, nor a token.
          assert.doesNotMatch(inspect(error, { depth: Infinity, showHidden: true }), /WRONG|PRIVATE KEY|token/)
          return isSlocketError(error, 'ERR_SLOCKET_PERMISSION')
        })
      }
    }
  })
})
