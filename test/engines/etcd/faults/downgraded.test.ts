import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { inArena } from '../../helpers/arena.ts'
import { endLoops, etcdEngine, lastLease, TTL_MS, untilTickets } from '../../helpers/etcd-arena.ts'
import { keysOf, revoke, untilSlowly } from '../../helpers/etcd-cluster.ts'
import { msBetween } from '../../helpers/trace.ts'
import { pass } from '../../../helpers/until.ts'

const READ = { mode: 'shared' } as const

describe('a holder in etcd that was downgraded', () => {
  test('and is killed holds until its lease has run out; nothing stays behind', async () => {
    await inArena('etcd', async (arena) => {
      const endpoints = arena.servers.addressOf('etcd')
      const [holder, reader, writer] = ['holder', 'reader', 'writer'].map((name) =>
        arena.start(name, etcdEngine(endpoints)),
      )
      holder!.send({ do: 'acquire', as: 'holder', resource: 'queue' })
      await holder!.says('granted', 'holder')
      writer!.send({ do: 'acquire', as: 'writer', resource: 'queue' })
      await untilTickets(endpoints, 'queue', 2)
      holder!.send({ do: 'downgrade', as: 'holder' })
      await holder!.says('downgraded')
      reader!.send({ do: 'acquire', as: 'reader', resource: 'queue', options: READ })
      await untilTickets(endpoints, 'queue', 3)
      holder!.kill('SIGKILL')
      const killed = arena.trace.findLast((line) => line.who === 'holder')!
      await writer!.says('granted', 'writer')
      assert.ok(
        msBetween(
          killed,
          arena.trace.findLast((line) => line.event === 'granted')!,
        ) <
          TTL_MS + 5000,
      )
      assert.deepEqual(reader!.said('granted', 'reader'), [])
      writer!.send({ do: 'release', as: 'writer' })
      await reader!.says('granted', 'reader')
      reader!.send({ do: 'release', as: 'reader' })
      await reader!.says('released', 'reader')
      await untilSlowly('nothing stays behind', async () => (await keysOf(endpoints)).length === 0)
    })
  })

  test('keeps the lock for longer than its first lease', async () => {
    await inArena('etcd', async (arena) => {
      const endpoints = arena.servers.addressOf('etcd')
      const [holder, writer] = ['holder', 'writer'].map((name) => arena.start(name, etcdEngine(endpoints)))
      holder!.send({ do: 'acquire', as: 'holder', resource: 'queue' })
      await holder!.says('granted', 'holder')
      holder!.send({ do: 'downgrade', as: 'holder' })
      await holder!.says('downgraded')
      writer!.send({ do: 'acquire', as: 'writer', resource: 'queue' })
      await untilTickets(endpoints, 'queue', 2)
      await pass(TTL_MS * 1.5)
      assert.deepEqual([holder!.said('lost'), writer!.said('granted', 'writer')], [[], []])
      holder!.send({ do: 'release', as: 'holder' })
      await writer!.says('granted', 'writer')
    })
  })

  test('is notified at once of a lease that an operator revokes', async () => {
    await inArena('etcd', async (arena) => {
      const endpoints = arena.servers.addressOf('etcd')
      const [holder, writer] = ['holder', 'writer'].map((name) => arena.start(name, etcdEngine(endpoints)))
      holder!.send({ do: 'acquire', as: 'holder', resource: 'queue' })
      await holder!.says('granted', 'holder')
      const lease = await lastLease(endpoints, 'queue')
      holder!.send({ do: 'downgrade', as: 'holder' })
      await holder!.says('downgraded')
      writer!.send({ do: 'acquire', as: 'writer', resource: 'queue' })
      await untilTickets(endpoints, 'queue', 2)
      await revoke(arena, endpoints, lease)
      assert.equal((await holder!.says('lost')).code, 'ERR_SLOCKET_LOST')
      await writer!.says('granted', 'writer')
    })
  })

  test('shares with shared requests and with no others, while some are killed', async () => {
    await inArena('etcd', async (arena) => {
      const endpoints = arena.servers.addressOf('etcd')
      const start = (name: string, isWriter: boolean): ReturnType<typeof arena.start> => {
        const client = arena.start(name, etcdEngine(endpoints))
        const options = isWriter ? {} : READ
        client.send({ do: 'loop', resource: 'busy', holdMs: 10, downgrades: isWriter, options })
        return client
      }
      const loops = [0, 1, 2, 3].map((index) => start(`loop-${index}`, index < 2))
      await Promise.all(loops.map((client) => client.says('granted')))
      for (let round = 0; round < 2; round += 1) {
        const victim = start(`victim-${round}`, true)
        await victim.says('downgraded')
        victim.kill('SIGKILL')
        await Promise.all(loops.map((client) => client.saysAgain('granted', client.said('granted').length + 1)))
      }
      await endLoops(loops)
    })
  })
})
