// Holders that get no notifications until their connection is restored, and whose next renewal is far off.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { etcd } from '../../../src/engines/etcd/index.ts'
import type { Lock } from '../../../src/index.ts'
import { slocket } from '../../../src/index.ts'
import { until } from '../../helpers/until.ts'
import { withoutRenewals } from '../helpers/etcd-arena.ts'
import { addressOf, Servers } from '../helpers/servers.ts'
import { TcpProxy } from '../helpers/tcp-proxy.ts'

/** Longer than a test may last. */
const LONG_TTL_MS = 600_000

async function steal(resource: string, engine: ReturnType<typeof etcd>): Promise<void> {
  const grant = await engine.acquire(resource, { claim: { kind: 'exclusive' }, wait: true, steal: true, lingerMs: 0 })
  await grant!.release()
}

async function untilLost({ signal }: Lock): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort')
}

test('a holder with an expired token and a broken connection is notified of a thief', async (context) => {
  withoutRenewals(context)
  await using servers = await Servers.start('secure')
  const endpoint = servers.addressOf('secure')
  const read = (name: string): Buffer => fs.readFileSync(join(servers.directory, 'secure', name))
  const tls = { ca: read('ca.pem'), cert: read('client.pem'), key: read('client.key') }
  const credentials = { username: 'locker', password: 'secret' }
  await using proxy = await TcpProxy.open(endpoint, new URL(endpoint).hostname)
  const engine = etcd({ endpoints: `https://${proxy.address}`, tls, credentials, ttl: LONG_TTL_MS })
  const held = await slocket('deploy', { engine })
  // Longer than tokens live.
  await new Promise((resolve) => setTimeout(resolve, 2500))
  proxy.break()
  await until('it has connected again', () => proxy.connections > 0)
  await steal('deploy', etcd({ endpoints: endpoint, tls, credentials }))
  await untilLost(held)
  assert.equal(held.held, false)
  // What it had is cleared away before the server goes.
  await (await slocket('deploy', { engine })).release()
})

test('a holder whose member of the cluster is gone is notified of a thief by the next member', async (context) => {
  withoutRenewals(context)
  const endpoint = addressOf('etcd')
  const proxy = await TcpProxy.open(endpoint)
  let held: Lock | undefined
  // The first member is any.
  while (proxy.connections === 0) {
    await held?.release()
    held = await slocket('deaf-holder', {
      engine: etcd({ endpoints: [`http://${proxy.address}`, endpoint], ttl: LONG_TTL_MS }),
    })
  }
  const keepAlive = setInterval(() => {}, 1000)
  // The watch is there, and the look that follows is done: from then on the holder asks nothing.
  await new Promise((resolve) => setTimeout(resolve, 1500))
  await proxy[Symbol.asyncDispose]()
  await steal('deaf-holder', etcd({ endpoints: endpoint }))
  await untilLost(held!)
  clearInterval(keepAlive)
  assert.equal(held!.held, false)
})
