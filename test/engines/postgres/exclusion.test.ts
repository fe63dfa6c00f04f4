// Servers whose connections do not exclude each other: they are refused, also by a process that has one lock only.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'
import { describe, test } from 'node:test'
import { postgres } from '../../../src/engines/postgres/index.ts'
import type { Engine } from '../../../src/index.ts'
import { isSlocketError, slocket } from '../../../src/index.ts'
import { addressOf, Servers } from '../helpers/servers.ts'
import { SharedSession } from '../helpers/shared-session.ts'
import { administer } from './admin.ts'

const namespace = `exclusion-${randomBytes(6).toString('hex')}`

describe('connections to PostgreSQL that do not exclude each other', () => {
  const url = addressOf('postgres')

  test('one session for all clients is an error: for each engine, at its first lock, and nothing stays locked', async () => {
    await using shared = await SharedSession.over(url)
    const many = async (engine: Engine): Promise<void> => {
      const settled = await Promise.allSettled(['a', 'b', 'c'].map((name) => slocket(name, { engine })))
      assert.ok(settled.every(({ status }) => status === 'rejected'))
      throw (settled[0] as PromiseRejectedResult).reason
    }
    const asks = [
      async (engine: Engine) => await slocket('one', { engine }),
      async (engine: Engine) => await slocket.try('one', { engine }),
      many,
    ]
    for (const ask of asks) {
      const engine = postgres({ connectionString: shared.url, namespace })
      await assert.rejects(ask(engine), (error: Error) => {
        assert.ok(isSlocketError(error, 'ERR_SLOCKET_POOLER'), String(error))
        assert.match(error.message, /one session to several connections/)
        return true
      })
      // And again: it is not taken for checked.
      await assert.rejects(ask(engine), { code: 'ERR_SLOCKET_POOLER' })
    }
    const [session] = await administer(
      shared.url,
      `SELECT count(*)::int AS held FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'`,
    )
    assert.equal(session!['held'], 0)
  })

  test('a balancer that spreads connections over servers is an error', async () => {
    await using servers = await Servers.start('postgres')
    const targets = [url, servers.addressOf('postgres')].map((text) => new URL(text))
    let connections = 0
    const sockets = new Set<net.Socket>()
    const balancer = net.createServer((near) => {
      const { port, hostname } = targets[(connections += 1) % 2]!
      const far = net.connect(Number(port), hostname)
      for (const socket of [near, far]) sockets.add(socket.on('error', () => {}))
      near.pipe(far).pipe(near)
    })
    await once(balancer.listen(0, '127.0.0.1'), 'listening')
    const { port } = balancer.address() as net.AddressInfo
    const engine = postgres({ connectionString: `postgres://postgres@127.0.0.1:${port}/postgres`, namespace })
    await assert.rejects(slocket('one', { engine }), (error: Error) => {
      assert.ok(isSlocketError(error, 'ERR_SLOCKET_POOLER'), String(error))
      assert.match(error.message, /different servers/)
      return true
    })
    for (const socket of sockets) socket.destroy()
    balancer.close()
  })
})
