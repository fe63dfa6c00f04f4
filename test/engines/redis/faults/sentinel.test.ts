import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Redis } from 'ioredis'
import { until } from '../../../helpers/until.ts'
import { inArena } from '../../helpers/arena.ts'
import { releaseInTurn } from '../../helpers/etcd-arena.ts'
import { Admin, queueUp, redisEngine } from '../../helpers/redis-arena.ts'
import { SENTINEL_CLIENTS } from '../clients.ts'

/** The failover takes some seconds. */
const TTL_MS = 30_000

/** What a sentinel says is the master. */
async function masterOf(sentinels: string): Promise<string> {
  const sentinel = new Redis(sentinels.split(',')[0]!)
  try {
    const [host, port] = (await sentinel.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'locks')) as [string, string]
    return `redis://${host}:${port}`
  } finally {
    sentinel.disconnect()
  }
}

test('a master behind Sentinel is killed: if its replica had the queue, the holder keeps the lock, and the others keep their order', async () => {
  await inArena('redis-sentinel', async (arena) => {
    const sentinels = arena.servers.addressOf('redis-sentinel')
    const old = await masterOf(sentinels)
    const clients = Object.keys(SENTINEL_CLIENTS).map((by) => arena.start(by, redisEngine(sentinels, by, TTL_MS)))
    {
      await using admin = new Admin(old)
      await queueUp(admin, clients)
      await until('the replica has all of it', async () => (await admin.ask('WAIT', '1', '1000')) === 1)
    }
    await arena.servers.signal('redis-watched-1', 'SIGKILL')
    const next = await until('another one is the master', async () => {
      const master = await masterOf(sentinels)
      return master !== old && master
    })
    const admin = arena.use(new Admin(next))
    await admin.untilTickets('queue', clients.length)
    for (const client of clients) assert.deepEqual(client.said('lost'), [])
    await releaseInTurn(clients)
  })
})
