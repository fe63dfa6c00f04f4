import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { pass } from '../../../helpers/until.ts'
import { inArena } from '../../helpers/arena.ts'
import { endLoops, patientEtcdEngine, queueUp, releaseInTurn, startLoops } from '../../helpers/etcd-arena.ts'
import { leaderOf } from '../../helpers/etcd-cluster.ts'

describe('the leader of the cluster', () => {
  test('is killed: the holder keeps the lock, and the waiters get it in order', async () => {
    await inArena('cluster', async (arena) => {
      const { servers } = arena
      const endpoints = servers.addressOf('cluster')
      const engine = patientEtcdEngine(endpoints)
      const queue = ['a', 'b', 'c'].map((name) => arena.start(name, engine))
      await queueUp(endpoints, queue)
      const loops = startLoops(arena, engine, 2)
      await Promise.all(loops.map((client) => client.says('released')))
      await servers.signal(await leaderOf(servers), 'SIGKILL')
      await leaderOf(servers)
      await pass(2000)
      assert.equal(queue[0]!.said('lost').length, 0)
      assert.equal(queue[1]!.said('granted').length, 0)
      await releaseInTurn(queue)
      await endLoops(loops)
    })
  })

  test('is stopped, and continues when there is a new leader: no lock is lost', async () => {
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
      await pass(4000)
      await servers.signal(leader, 'SIGCONT')
      await pass(1000)
      assert.equal(queue[0]!.said('lost').length, 0)
      assert.equal(queue[1]!.said('granted').length, 0)
      await releaseInTurn(queue)
      await endLoops(loops)
    })
  })
})
