import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { inArena } from '../../helpers/arena.ts'
import { Island, reasonWithoutIslands } from '../../helpers/island.ts'
import { Admin, redisEngine } from '../../helpers/redis-arena.ts'

describe('a holder that is cut off from the server', { skip: reasonWithoutIslands(), concurrency: true }, () => {
  for (const by of [undefined, 'redis 6', 'ioredis 6']) {
    test(`is notified before anybody else has the lock, and can request it again (${by ?? 'a URL'})`, async () => {
      await inArena('redis', async (arena) => {
        const url = arena.servers.addressOf('redis')
        const admin = arena.use(new Admin(url))
        const island = await Island.open(arena, 'islander', [url], ([inside]) => redisEngine(`redis://${inside}`, by))
        const waiter = arena.start('waiter', redisEngine(url, by))
        island.client.send({ do: 'acquire', as: 'islander', resource: 'queue' })
        await island.client.says('granted')
        waiter.send({ do: 'acquire', as: 'waiter', resource: 'queue' })
        await admin.untilTickets('queue', 2)
        island.cutOff()
        const granted = await waiter.says('granted')
        const [lost] = island.client.said('lost')
        assert.equal(lost?.code, 'ERR_SLOCKET_LOST')
        assert.ok(BigInt(lost.at) < BigInt(granted.at))
        island.reconnect()
        island.client.send({ do: 'acquire', as: 'again', resource: 'queue' })
        await admin.untilTickets('queue', 2)
        waiter.send({ do: 'release', as: 'waiter' })
        await island.client.says('granted', 'again')
      })
    })
  }
})
