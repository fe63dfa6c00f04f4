import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { inArena } from '../../helpers/arena.ts'
import { etcdEngine, lastBelief, lastLease, queueUp, TTL_MS, untilTickets } from '../../helpers/etcd-arena.ts'
import { followersOf, NODES, revoke } from '../../helpers/etcd-cluster.ts'

describe('a lease that an operator revokes', () => {
  test('is lost at once: its holder is notified and can request again; the next request gets the lock', async () => {
    await inArena('etcd', async (arena) => {
      const endpoints = arena.servers.addressOf('etcd')
      const holder = arena.start('holder', etcdEngine(endpoints))
      holder.send({ do: 'acquire', as: 'holder', resource: 'queue' })
      await holder.says('granted')
      const lease = await lastLease(endpoints, 'queue')
      const waiter = arena.start('waiter', etcdEngine(endpoints))
      waiter.send({ do: 'acquire', as: 'waiter', resource: 'queue' })
      await untilTickets(endpoints, 'queue', 2)
      const revoked = process.hrtime.bigint()
      await revoke(arena, endpoints, lease)
      const lost = await holder.says('lost')
      assert.equal(lost.code, 'ERR_SLOCKET_LOST')
      assert.ok(Number(BigInt(lost.at) - revoked) / 1e6 < TTL_MS / 2, 'no timer has told it')
      await waiter.says('granted')
      holder.send({ do: 'acquire', as: 'again', resource: 'queue' })
      waiter.send({ do: 'release', as: 'waiter' })
      await holder.says('granted', 'again')
    })
  })

  test('while its holder is cut off: the holder believes until its deadline, and no longer; the next request gets the lock meanwhile', async () => {
    await inArena('cluster', async (arena) => {
      const { servers } = arena
      const endpoints = servers.addressOf('cluster').split(',')
      const [hung] = await followersOf(servers)
      const near = endpoints[NODES.indexOf(hung!)]!
      const others = endpoints.filter((endpoint) => endpoint !== near)
      const [holder, next] = [arena.start('holder', etcdEngine(near)), arena.start('next', etcdEngine(others))]
      await queueUp(endpoints.join(','), [holder, next])
      const { lease } = holder.said('granted', 'holder')[0]!
      await servers.signal(hung!, 'SIGSTOP')
      await revoke(arena, others.join(','), lease!)
      const granted = await next.says('granted', 'next')
      const lost = await holder.says('lost')
      assert.match(lost.message!, /could not be renewed in time/)
      // That it is not for longer than its deadline says the checker.
      assert.ok(BigInt(lastBelief(arena.trace, 'holder')!.at) > BigInt(granted.at), 'there is nothing to be excused')
      await servers.signal(hung!, 'SIGCONT')
      next.send({ do: 'release', as: 'next' })
      holder.send({ do: 'acquire', as: 'again', resource: 'queue' })
      await holder.says('granted', 'again')
    })
  })

  test('from a waiter: the waiter joins again, at the end', async () => {
    await inArena('etcd', async (arena) => {
      const endpoints = arena.servers.addressOf('etcd')
      const [holder, waiter, other] = ['holder', 'waiter', 'other'].map((name) =>
        arena.start(name, etcdEngine(endpoints)),
      )
      await queueUp(endpoints, [holder!])
      waiter!.send({ do: 'acquire', as: 'waiter', resource: 'queue' })
      await untilTickets(endpoints, 'queue', 2)
      const lease = await lastLease(endpoints, 'queue')
      other!.send({ do: 'acquire', as: 'other', resource: 'queue' })
      await untilTickets(endpoints, 'queue', 3)
      await revoke(arena, endpoints, lease)
      holder!.send({ do: 'release', as: 'holder' })
      await other!.says('granted')
      other!.send({ do: 'release', as: 'other' })
      await waiter!.says('granted')
    })
  })
})
