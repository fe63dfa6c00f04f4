import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { pass } from '../../../helpers/until.ts'
import { inArena } from '../../helpers/arena.ts'
import { endLoops, patientEtcdEngine, queueUp, releaseInTurn, startLoops } from '../../helpers/etcd-arena.ts'
import { followersOf, leaderOf } from '../../helpers/etcd-cluster.ts'

describe('two of three members', () => {
  test('are down for less than the TTL: nobody loses a lock', async () => {
    await inArena('cluster', async (arena) => {
      const { servers } = arena
      const endpoints = servers.addressOf('cluster')
      const engine = patientEtcdEngine(endpoints)
      const queue = ['a', 'b'].map((name) => arena.start(name, engine))
      await queueUp(endpoints, queue)
      const loops = startLoops(arena, engine, 2)
      await Promise.all(loops.map((client) => client.says('released')))
      const down = await followersOf(servers)
      await Promise.all(down.map((node) => servers.signal(node, 'SIGKILL')))
      await pass(1000)
      await Promise.all(down.map((node) => servers.restart(node)))
      await leaderOf(servers)
      await pass(3000)
      assert.deepEqual(queue[0]!.said('lost'), [])
      assert.deepEqual(queue[1]!.said('granted'), [])
      await releaseInTurn(queue)
      await endLoops(loops)
    })
  })
})
