import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { inArena } from '../../helpers/arena.ts'
import { etcdEngine, queueUp, releaseInTurn, TTL_MS } from '../../helpers/etcd-arena.ts'
import { keysOf, untilSlowly } from '../../helpers/etcd-cluster.ts'
import { msBetween } from '../../helpers/trace.ts'

describe('clients that are killed', () => {
  test('the holder and a waiter in the middle of the queue: the others get the lock in order, and nothing stays behind', async () => {
    await inArena('etcd', async (arena) => {
      const endpoints = arena.servers.addressOf('etcd')
      const clients = ['holder', 'first', 'middle', 'last'].map((name) => arena.start(name, etcdEngine(endpoints)))
      const [holder, first, middle, last] = clients as [(typeof clients)[0], ...typeof clients]
      await queueUp(endpoints, clients)
      middle!.kill('SIGKILL')
      holder.kill('SIGKILL')
      const killed = arena.trace.findLast((line) => line.who === 'holder')!
      const granted = await first!.says('granted')
      // The lease runs out when the server says so, in whole seconds, and after two of them at most.
      assert.ok(msBetween(killed, granted) < TTL_MS + 5000)
      await releaseInTurn([first!, last!])
      assert.deepEqual(middle!.said('granted'), [])
      // Sessions linger for a second.
      await untilSlowly('nothing stays behind', async () => (await keysOf(endpoints)).length === 0)
    })
  })
})
