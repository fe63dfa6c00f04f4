import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { until } from '../../../helpers/until.ts'
import { inArena } from '../../helpers/arena.ts'
import { etcdEngine, patientEtcdEngine, queueUp, untilTickets } from '../../helpers/etcd-arena.ts'
import { GrpcProxy } from '../../helpers/grpc-proxy.ts'
import { TcpProxy } from '../../helpers/tcp-proxy.ts'

describe('a network that', { concurrency: true }, () => {
  test('loses the answer to the request that acquires: it is repeated, and holds once', async () => {
    await inArena('etcd', async (arena) => {
      const endpoint = arena.servers.addressOf('etcd')
      const proxy = arena.use(await GrpcProxy.open(endpoint))
      const client = arena.start('client', etcdEngine(proxy.address))
      client.send({ do: 'acquire', as: 'warm', resource: 'warm' })
      await client.says('granted', 'warm')
      client.send({ do: 'release', as: 'warm' })
      await client.says('released', 'warm')
      proxy.loseAnswers = 2
      client.send({ do: 'acquire', as: 'client', resource: 'queue' })
      await client.says('granted', 'client')
      assert.equal(proxy.loseAnswers, 0)
      await untilTickets(endpoint, 'queue', 1)
      client.send({ do: 'release', as: 'client' })
      await client.says('released', 'client')
      await untilTickets(endpoint, 'queue', 0)
    })
  })

  test('delivers the request that acquires again, long after the release: that ticket is removed', async () => {
    await inArena('etcd', async (arena) => {
      const endpoint = arena.servers.addressOf('etcd')
      const proxy = arena.use(await GrpcProxy.open(endpoint))
      const client = arena.start('client', patientEtcdEngine(proxy.address))
      const other = arena.start('other', patientEtcdEngine(endpoint))
      // What it holds besides keeps its session, and so the lease of the ticket that comes late.
      client.send({ do: 'acquire', as: 'kept', resource: 'kept' })
      await client.says('granted', 'kept')
      const before = proxy.transactions
      client.send({ do: 'acquire', as: 'client', resource: 'queue' })
      await client.says('granted', 'client')
      client.send({ do: 'release', as: 'client' })
      await client.says('released', 'client')
      await untilTickets(endpoint, 'queue', 0)
      await proxy.sendAgain(before)
      await untilTickets(endpoint, 'queue', 1)
      other.send({ do: 'acquire', as: 'other', resource: 'queue' })
      await other.says('granted', 'other')
      assert.deepEqual(client.said('lost'), [])
    })
  })

  test('delivers it only when the request has given up: that ticket blocks others only briefly, and is removed', async () => {
    await inArena('etcd', async (arena) => {
      const endpoint = arena.servers.addressOf('etcd')
      const proxy = arena.use(await GrpcProxy.open(endpoint))
      const client = arena.start('client', etcdEngine(proxy.address))
      const other = arena.start('other', etcdEngine(endpoint))
      client.send({ do: 'acquire', as: 'kept', resource: 'kept' })
      await client.says('granted', 'kept')
      const lost = proxy.transactions
      proxy.loseRequests = 1
      client.send({ do: 'acquire', as: 'client', resource: 'queue', options: { timeout: 200 } })
      await client.says('failed', 'client')
      // It knows that there may be a ticket, and has it deleted: in vain.
      await until('it is deleted', () => proxy.deletions > 1)
      await proxy.sendAgain(lost)
      other.send({ do: 'acquire', as: 'other', resource: 'queue' })
      await other.says('granted', 'other')
      await untilTickets(endpoint, 'queue', 1)
      client.send({ do: 'acquire', as: 'again', resource: 'queue' })
      await untilTickets(endpoint, 'queue', 2)
      other.send({ do: 'release', as: 'other' })
      await client.says('granted', 'again')
      assert.deepEqual(client.said('granted', 'client'), [])
    })
  })

  test('delivers it again during the hold, and during the wait: nothing happens', async () => {
    await inArena('etcd', async (arena) => {
      const endpoint = arena.servers.addressOf('etcd')
      const proxy = arena.use(await GrpcProxy.open(endpoint))
      const [holder, waiter] = ['holder', 'waiter'].map((name) => arena.start(name, patientEtcdEngine(proxy.address)))
      await queueUp(endpoint, [holder!, waiter!])
      for (let index = 0; index < proxy.transactions; index += 1) await proxy.sendAgain(index)
      await untilTickets(endpoint, 'queue', 2)
      assert.deepEqual([holder!.said('lost'), waiter!.said('granted')], [[], []])
      holder!.send({ do: 'release', as: 'holder' })
      await waiter!.says('granted')
    })
  })

  test('loses all answers but no requests: the holder is notified in time, and gets the lock again afterwards', async () => {
    await inArena('etcd', async (arena) => {
      const endpoint = arena.servers.addressOf('etcd')
      const proxy = arena.use(await TcpProxy.open(endpoint))
      const holder = arena.start('holder', etcdEngine([proxy.address]))
      const waiter = arena.start('waiter', etcdEngine(endpoint))
      await queueUp(endpoint, [holder, waiter])
      proxy.isLosingReplies = true
      // Its lease may live on: its renewals arrive. It does not know, and gives up.
      await holder.says('lost')
      proxy.isLosingReplies = false
      await waiter.says('granted')
      holder.send({ do: 'acquire', as: 'again', resource: 'queue' })
      await untilTickets(endpoint, 'queue', 2)
      waiter.send({ do: 'release', as: 'waiter' })
      await holder.says('granted', 'again')
    })
  })
})
