import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { describe, test } from 'node:test'
import { Cancellation } from '../../src/requests/cancellation.ts'
import { Connection } from '../../src/engines/etcd/connection.ts'
import { loadGrpc } from '../../src/engines/etcd/load-grpc.ts'
import { parseEtcdOptions } from '../../src/engines/etcd/options.ts'
import { parseTarget, Probe } from '../../src/engines/etcd/probe.ts'
import { meaningOf } from '../../src/engines/etcd/refusal.ts'
import { DeafAddress, reasonWithoutDeafAddress } from '../helpers/deaf-address.ts'
import { until } from '../helpers/until.ts'

/** Beyond the deadline of any test. */
const LONG_MS = 600_000
const skip = reasonWithoutDeafAddress()

describe('the target of a gRPC connection', () => {
  for (const [endpoint, host, port] of [
    ['127.0.0.1', '127.0.0.1', 2379],
    ['http://etcd-1.example:80', 'etcd-1.example', 80],
    ['[::1]:12379', '::1', 12379],
    ['[::ffff:10.0.0.1]', '::ffff:a00:1', 2379],
  ] as const) {
    test(`is read from its own description: ${endpoint}`, async () => {
      const { grpc } = await loadGrpc()
      const { addresses } = parseEtcdOptions({ endpoints: endpoint })
      const client = new grpc.Client(addresses[0]!, grpc.credentials.createInsecure())
      assert.deepEqual(parseTarget(client.getChannel().getTarget()), { host, port })
      client.close()
    })
  }

  test('is unknown if it is not a host with a port', () => {
    for (const target of ['unix:/run/etcd.sock', 'dns:etcd', 'dns://1.1.1.1/etcd:2379', 'xds:a:1', 'dns:::1:5'])
      assert.equal(parseTarget(target), undefined, target)
  })
})

describe('a probe', () => {
  test('succeeds if the address accepts, and hangs up', async () => {
    const server = net.createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const accepted = once(server, 'connection') as Promise<[net.Socket]>
    const probe = new Probe({ host: '127.0.0.1', port: (server.address() as net.AddressInfo).port })
    await probe.wait(new Cancellation())
    assert.equal(probe.isOver, true)
    const [socket] = await accepted
    socket.resume()
    await once(socket, 'close')
    server.close()
  })

  test('fails if the address refuses, and says so', async () => {
    const server = net.createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as net.AddressInfo
    await new Promise((resolve) => server.close(resolve))
    const probe = new Probe({ host: '127.0.0.1', port })
    await assert.rejects(probe.wait(new Cancellation()), (error: Error) => {
      assert.equal(error.message, `connect ECONNREFUSED 127.0.0.1:${port}`)
      assert.equal(meaningOf(error), 'unanswered')
      return true
    })
  })

  test('continues for the remaining waiters, and connects at last', { skip }, async () => {
    await using deaf = await DeafAddress.open()
    const probe = new Probe(deaf)
    const [first, second] = [new Cancellation(), new Cancellation()]
    const both = [probe.wait(first), probe.wait(second)]
    await until('it connects', () => connecting() === 1)
    first.cancel()
    assert.equal(probe.isOver, false)
    deaf.listen()
    await Promise.all(both)
  })

  test('ends when nobody waits any more', { skip }, async () => {
    await using deaf = await DeafAddress.open()
    const probe = new Probe(deaf)
    const all = [new Cancellation(), new Cancellation()]
    const waits = Promise.allSettled(all.map((leaving) => probe.wait(leaving)))
    await until('it connects', () => connecting() === 1)
    for (const leaving of all) leaving.cancel()
    assert.equal(probe.isOver, true)
    for (const { status } of await waits) assert.equal(status, 'rejected')
    await until('none connects any more', () => connecting() === 0)
  })
})

describe('a connection to an address whose packets are dropped', { skip }, () => {
  test('fails after the limit, and gRPC does not connect', async () => {
    await using deaf = await DeafAddress.open()
    const loaded = await loadGrpc()
    const connection = new Connection(loaded, deaf.address, undefined)
    const metadata = new loaded.grpc.Metadata()
    const late = /no connection within 100 ms/
    await assert.rejects(connection.call({ method: 'Range', request: {}, metadata, limitMs: 100 }), late)
    await assert.rejects(connection.callByStream({ method: 'Watch', request: {}, metadata, limitMs: 100 }), late)
    await assert.rejects(connection.openStream('Watch', metadata, 100), late)
    await until('none connects any more', () => connecting() === 0)
  })

  test('fails at once when it is closed meanwhile, and leaves no socket', async () => {
    await using deaf = await DeafAddress.open()
    const loaded = await loadGrpc()
    const connection = new Connection(loaded, deaf.address, undefined)
    const stream = connection.openStream('Watch', new loaded.grpc.Metadata(), LONG_MS)
    await until('it connects', () => connecting() === 1)
    connection.close()
    await assert.rejects(stream, /the connection was given up/)
    await until('none connects any more', () => connecting() === 0)
    await assert.rejects(connection.openStream('Watch', new loaded.grpc.Metadata(), LONG_MS), /was given up/)
  })
})

/** How many sockets of this process do. */
function connecting(): number {
  return process.getActiveResourcesInfo().filter((name) => name.endsWith('ConnectWrap')).length
}
