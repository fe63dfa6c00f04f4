import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { pass } from '../../../helpers/until.ts'
import { inArena } from '../../helpers/arena.ts'
import { etcdEngine, LONG_TTL_MS, patientEtcdEngine, untilTickets } from '../../helpers/etcd-arena.ts'
import { Island, reasonWithoutIslands } from '../../helpers/island.ts'

describe('a holder that is cut off from the servers', { skip: reasonWithoutIslands(), concurrency: true }, () => {
  test('for less than the TTL keeps the lock', async () => {
    await inArena('cluster', async (arena) => {
      const endpoints = arena.servers.addressOf('cluster')
      const island = await Island.open(arena, 'islander', endpoints.split(','), patientEtcdEngine)
      const waiter = arena.start('waiter', patientEtcdEngine(endpoints))
      island.client.send({ do: 'acquire', as: 'islander', resource: 'queue' })
      await island.client.says('granted')
      waiter.send({ do: 'acquire', as: 'waiter', resource: 'queue' })
      await untilTickets(endpoints, 'queue', 2)
      island.cutOff()
      await pass(0.4 * LONG_TTL_MS)
      island.reconnect()
      await pass(3000)
      assert.deepEqual(island.client.said('lost'), [])
      assert.deepEqual(waiter.said('granted'), [])
      island.client.send({ do: 'release', as: 'islander' })
      await waiter.says('granted')
    })
  })

  test('for longer is notified before anybody else gets it, and can request it again', async () => {
    await inArena('cluster', async (arena) => {
      const endpoints = arena.servers.addressOf('cluster')
      const island = await Island.open(arena, 'islander', endpoints.split(','), etcdEngine)
      const waiter = arena.start('waiter', etcdEngine(endpoints))
      island.client.send({ do: 'acquire', as: 'islander', resource: 'queue' })
      await island.client.says('granted')
      waiter.send({ do: 'acquire', as: 'waiter', resource: 'queue' })
      await untilTickets(endpoints, 'queue', 2)
      island.cutOff()
      const granted = await waiter.says('granted')
      const [lost] = island.client.said('lost')
      assert.equal(lost?.code, 'ERR_SLOCKET_LOST')
      assert.ok(BigInt(lost.at) < BigInt(granted.at))
      island.reconnect()
      island.client.send({ do: 'acquire', as: 'again', resource: 'queue' })
      await untilTickets(endpoints, 'queue', 2)
      waiter.send({ do: 'release', as: 'waiter' })
      await island.client.says('granted', 'again')
    })
  })
})
