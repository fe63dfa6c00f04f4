// What is done to the server, and to its connections.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { until } from '../../../helpers/until.ts'
import type { Arena } from '../../helpers/arena.ts'
import { inArena } from '../../helpers/arena.ts'
import type { Client } from '../../helpers/client.ts'
import { endLoops, releaseInTurn } from '../../helpers/etcd-arena.ts'
import { Admin, LONG_TTL_MS, queueUp, redisEngine } from '../../helpers/redis-arena.ts'

/** Clients that take one lock again and again, by a URL and by each family of clients. */
function startLoops(arena: Arena, url: string): Client[] {
  return [undefined, 'redis 6', 'ioredis 6', undefined].map((by, index) => {
    const client = arena.start(`loop-${index}`, redisEngine(url, by))
    client.send({ do: 'loop', resource: 'busy', holdMs: 10 })
    return client
  })
}

async function untilAllHeld(loops: readonly Client[]): Promise<void> {
  await Promise.all(loops.map(async (client) => await client.saysAgain('granted', client.said('granted').length)))
}

describe('a server of Redis', { concurrency: true }, () => {
  test('writes each command to disk, is killed, and restarts: the holder keeps the lock, and the others keep their order', async () => {
    await inArena('redis-aof', async (arena) => {
      const url = arena.servers.addressOf('redis-aof')
      const admin = arena.use(new Admin(url))
      const clients = ['holder', 'first', 'last'].map((name, index) =>
        arena.start(name, redisEngine(url, [undefined, 'redis 6', 'ioredis 6'][index], LONG_TTL_MS)),
      )
      await queueUp(admin, clients)
      await arena.servers.signal('redis-aof', 'SIGKILL')
      await arena.servers.restart('redis-aof')
      await admin.untilTickets('queue', 3)
      await admin.untilRenewed('queue')
      assert.deepEqual(clients[0]!.said('lost'), [])
      await releaseInTurn(clients)
    })
  })

  test('keeps nothing on disk, is killed, and restarts: holders are notified by their next renewal, and all continue', async () => {
    await inArena('redis', async (arena) => {
      const url = arena.servers.addressOf('redis')
      const admin = arena.use(new Admin(url))
      const loops = startLoops(arena, url)
      const holder = arena.start('holder', redisEngine(url))
      holder.send({ do: 'acquire', as: 'holder', resource: 'kept' })
      await holder.says('granted')
      await untilAllHeld(loops)
      // From here on two may hold, until the first one's next renewal.
      arena.note({ event: 'revoking' })
      await arena.servers.signal('redis', 'SIGKILL')
      await arena.servers.restart('redis')
      const lost = await holder.says('lost')
      // The latter if the server takes longer to restart than a lease lasts.
      assert.match(lost.message ?? '', /run out, or its keys were removed, |could not be renewed in time/)
      await untilAllHeld(loops)
      await endLoops(loops)
      await admin.ask('PING')
    })
  })

  test('is stopped for longer than a lease: holders are notified before it continues, and all continue afterwards', async () => {
    await inArena('redis', async (arena) => {
      const url = arena.servers.addressOf('redis')
      const admin = arena.use(new Admin(url))
      const clients = [undefined, 'redis 6', 'ioredis 6'].map((by, index) =>
        arena.start(`client-${index}`, redisEngine(url, by)),
      )
      for (const client of clients) {
        client.send({ do: 'acquire', as: client.name, resource: client.name })
        await client.says('granted')
      }
      await arena.servers.signal('redis', 'SIGSTOP')
      for (const client of clients) assert.equal((await client.says('lost')).code, 'ERR_SLOCKET_LOST')
      arena.note({ event: 'doing', message: 'the server goes on' })
      await arena.servers.signal('redis', 'SIGCONT')
      await admin.ask('PING')
      for (const client of clients) {
        client.send({ do: 'acquire', as: 'again', resource: 'together' })
        await client.says('granted', 'again')
        client.send({ do: 'release', as: 'again' })
      }
    })
  })

  test('forgets its scripts, and ends connections for commands and notifications, again and again: nobody is affected', async () => {
    await inArena('redis', async (arena) => {
      const url = arena.servers.addressOf('redis')
      const admin = arena.use(new Admin(url))
      const loops = startLoops(arena, url)
      await untilAllHeld(loops)
      for (let round = 0; round < 5; round += 1) {
        for (const harm of [
          ['SCRIPT', 'FLUSH'],
          ['CLIENT', 'KILL', 'TYPE', 'pubsub'],
          ['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'],
        ]) {
          arena.note({ event: 'doing', message: harm.join(' ') })
          await admin.ask(harm[0]!, ...harm.slice(1))
          await untilAllHeld(loops)
        }
      }
      await endLoops(loops)
    })
  })

  test('has no memory left: requests get an error, and holders keep the lock and can release it', async () => {
    await inArena('redis', async (arena) => {
      const url = arena.servers.addressOf('redis')
      const admin = arena.use(new Admin(url))
      const [holder, other] = ['holder', 'other'].map((name) =>
        arena.start(name, redisEngine(url, undefined, LONG_TTL_MS)),
      )
      holder!.send({ do: 'acquire', as: 'holder', resource: 'full' })
      await holder!.says('granted')
      await other!.says('ready')
      await admin.ask('CONFIG', 'SET', 'maxmemory', '1')
      await assert.rejects(admin.ask('SET', 'a', 'b'), /OOM/)
      await admin.untilRenewed('full')
      assert.deepEqual(holder!.said('lost'), [])
      holder!.send({ do: 'release', as: 'holder' })
      await holder!.says('released')
      assert.equal(await admin.ask('EXISTS', 'slocket:{full}:queue'), 0)
      await admin.ask('CONFIG', 'SET', 'maxmemory', '0')
      other!.send({ do: 'acquire', as: 'other', resource: 'full' })
      await other!.says('granted')
      await until('it is held', async () => (await admin.ask('EXISTS', 'slocket:{full}:queue')) === 1)
    })
  })
})
