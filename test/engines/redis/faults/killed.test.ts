import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { until } from '../../../helpers/until.ts'
import { inArena } from '../../helpers/arena.ts'
import { releaseInTurn } from '../../helpers/etcd-arena.ts'
import { Admin, queueUp, redisEngine } from '../../helpers/redis-arena.ts'

describe('clients that are killed', { concurrency: true }, () => {
  for (const by of [undefined, 'redis 6', 'ioredis 6']) {
    test(`the holder and a waiter in the middle of the queue: the others get the lock in order, and nothing stays behind (${by ?? 'a URL'})`, async () => {
      await inArena('redis', async (arena) => {
        const url = arena.servers.addressOf('redis')
        const admin = arena.use(new Admin(url))
        const clients = ['holder', 'first', 'middle', 'last'].map((name) => arena.start(name, redisEngine(url, by)))
        const [holder, first, middle, last] = clients as [(typeof clients)[0], ...typeof clients]
        await queueUp(admin, clients)
        middle!.kill('SIGKILL')
        holder.kill('SIGKILL')
        await first!.says('granted')
        await releaseInTurn([first!, last!])
        assert.deepEqual(middle!.said('granted'), [])
        await until('only tokens stay behind', async () => {
          const keys = (await admin.ask('KEYS', '*')) as string[]
          return keys.every((key) => key.endsWith(':token'))
        })
      })
    })
  }

  test('the next holder after a killed one has recovered, and no later one', async () => {
    await inArena('redis', async (arena) => {
      const url = arena.servers.addressOf('redis')
      const admin = arena.use(new Admin(url))
      const clients = ['holder', 'next', 'after'].map((name) => arena.start(name, redisEngine(url)))
      const [holder, next, after] = clients as [(typeof clients)[0], ...typeof clients]
      await queueUp(admin, clients)
      holder.kill('SIGKILL')
      assert.equal((await next!.says('granted')).recovered, true)
      next!.send({ do: 'release', as: 'next' })
      assert.equal((await after!.says('granted')).recovered, undefined)
    })
  })
})
