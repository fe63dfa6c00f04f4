import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { pass } from '../../../helpers/until.ts'
import { inArena } from '../../helpers/arena.ts'
import {
  endLoops,
  LONG_TTL_MS,
  patientEtcdEngine,
  queueUp,
  releaseInTurn,
  startLoops,
} from '../../helpers/etcd-arena.ts'
import { leaderOf } from '../../helpers/etcd-cluster.ts'

describe('a leader of the cluster', () => {
  test('is stopped for longer than the TTL and then continues: no lock is lost', async () => {
    await inArena('cluster', async (arena) => {
      const { servers } = arena
      const endpoints = servers.addressOf('cluster')
      const engine = patientEtcdEngine(endpoints)
      const queue = ['a', 'b', 'c'].map((name) => arena.start(name, engine))
      await queueUp(endpoints, queue)
      const loops = startLoops(arena, engine, 2)
      await Promise.all(loops.map((client) => client.says('released')))
      const leader = await leaderOf(servers)
      await servers.signal(leader, 'SIGSTOP')
      await pass(2 * LONG_TTL_MS)
      await servers.signal(leader, 'SIGCONT')
      await pass(LONG_TTL_MS)
      assert.equal(queue[0]!.said('lost').length, 0)
      await releaseInTurn(queue)
      await endLoops(loops)
    })
  })
})
