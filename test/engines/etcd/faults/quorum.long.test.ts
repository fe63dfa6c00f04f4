import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { pass } from '../../../helpers/until.ts'
import { inArena } from '../../helpers/arena.ts'
import { endLoops, etcdEngine, lastBelief, queueUp, startLoops, TTL_MS } from '../../helpers/etcd-arena.ts'
import { followersOf, leaderOf } from '../../helpers/etcd-cluster.ts'
import { msBetween } from '../../helpers/trace.ts'

describe('two of three members', () => {
  test('are down for longer than the TTL: the holder is notified of its loss in time; afterwards locks work again', async () => {
    await inArena('cluster', async (arena) => {
      const { servers } = arena
      const endpoints = servers.addressOf('cluster')
      const engine = etcdEngine(endpoints)
      const queue = ['a', 'b'].map((name) => arena.start(name, engine))
      await queueUp(endpoints, queue)
      const loops = startLoops(arena, engine, 2)
      await Promise.all(loops.map((client) => client.says('released')))
      const down = await followersOf(servers)
      await Promise.all(down.map((node) => servers.signal(node, 'SIGKILL')))
      const lost = await queue[0]!.says('lost')
      assert.equal(lost.code, 'ERR_SLOCKET_LOST')
      assert.ok(msBetween(lastBelief(arena.trace, 'a')!, lost) < TTL_MS)
      await pass(2 * TTL_MS)
      await Promise.all(down.map((node) => servers.restart(node)))
      await leaderOf(servers)
      // It lost its session as well, and has asked in vain; or it has asked again by itself.
      const outcome = await Promise.race([queue[1]!.says('granted'), queue[1]!.says('failed')])
      if (outcome.event === 'failed') assert.equal(outcome.code, 'ERR_SLOCKET_UNREACHABLE')
      queue[0]!.send({ do: 'acquire', as: 'again', resource: 'other' })
      await queue[0]!.says('granted', 'again')
      await endLoops(loops)
    })
  })
})
