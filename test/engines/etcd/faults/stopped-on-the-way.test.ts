import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { until } from '../../../helpers/until.ts'
import { inArena } from '../../helpers/arena.ts'
import type { Arena } from '../../helpers/arena.ts'
import type { Client } from '../../helpers/client.ts'
import { etcdEngine, untilTickets } from '../../helpers/etcd-arena.ts'
import { GrpcProxy } from '../../helpers/grpc-proxy.ts'

describe('a process that is stopped until its lease has run out', { concurrency: true }, () => {
  test('while it requests: the answer that it finds is too old, and it queues behind later requests', async () => {
    await inArena('etcd', async (arena) => {
      const endpoint = arena.servers.addressOf('etcd')
      const proxy = arena.use(await GrpcProxy.open(endpoint))
      const [stopped, next] = [
        arena.start('stopped', etcdEngine(proxy.address)),
        arena.start('next', etcdEngine(endpoint)),
      ]
      await Promise.all([stopped.says('ready'), next.says('ready')])
      // Its request is carried out, and says that it is its turn.
      proxy.holdAnswerOf = proxy.transactions
      stopped.send({ do: 'acquire', as: 'stopped', resource: 'queue' })
      await until('it has asked', () => proxy.held === 1)
      stopped.kill('SIGSTOP')
      proxy.answer()
      next.send({ do: 'acquire', as: 'next', resource: 'queue' })
      await next.says('granted', 'next')
      stopped.kill('SIGCONT')
      await untilTickets(endpoint, 'queue', 2)
      assert.deepEqual(stopped.said('granted', 'stopped'), [])
      next.send({ do: 'release', as: 'next' })
      await stopped.says('granted', 'stopped')
      assert.deepEqual(stopped.said('lost'), [])
    })
  })

  test('while it waits: it queues behind later requests', async () => {
    await inArena('etcd', async (arena) => {
      const endpoint = arena.servers.addressOf('etcd')
      const engine = etcdEngine(endpoint)
      const [holder, stopped, next] = ['holder', 'stopped', 'next'].map((name) => arena.start(name, engine))
      for (const [index, client] of [holder!, stopped!].entries()) {
        client.send({ do: 'acquire', as: client.name, resource: 'queue' })
        await untilTickets(endpoint, 'queue', index + 1)
      }
      stopped!.kill('SIGSTOP')
      await untilTickets(endpoint, 'queue', 1)
      next!.send({ do: 'acquire', as: 'next', resource: 'queue' })
      await untilTickets(endpoint, 'queue', 2)
      stopped!.kill('SIGCONT')
      await untilTickets(endpoint, 'queue', 3)
      holder!.send({ do: 'release', as: 'holder' })
      await next!.says('granted', 'next')
      assert.deepEqual(stopped!.said('granted', 'stopped'), [])
      next!.send({ do: 'release', as: 'next' })
      await stopped!.says('granted', 'stopped')
    })
  })

  test('while it releases: it has released in the end, and the next holder is not affected', async () => {
    await inArena('etcd', async (arena) => {
      const endpoint = arena.servers.addressOf('etcd')
      const proxy = arena.use(await GrpcProxy.open(endpoint))
      const [stopped, next] = [
        arena.start('stopped', etcdEngine(proxy.address)),
        arena.start('next', etcdEngine(endpoint)),
      ]
      stopped.send({ do: 'acquire', as: 'stopped', resource: 'queue' })
      await stopped.says('granted', 'stopped')
      next.send({ do: 'acquire', as: 'next', resource: 'queue' })
      await untilTickets(endpoint, 'queue', 2)
      // It is asked for, and not carried out.
      proxy.loseDeletions = 1
      stopped.send({ do: 'release', as: 'stopped' })
      await until('it has asked', () => proxy.loseDeletions === 0)
      stopped.kill('SIGSTOP')
      await next.says('granted', 'next')
      stopped.kill('SIGCONT')
      await stopped.says('released', 'stopped')
      assert.deepEqual(next.said('lost'), [])
      await untilTickets(endpoint, 'queue', 1)
    })
  })

  test('while it steals, without a victim yet: nothing is stolen until it continues', async () => {
    await inArena('etcd', async (arena) => {
      const { stopped, holder, proxy, endpoint } = await thiefAndHolder(arena)
      // It is ahead of all others, but doesn't know that yet.
      proxy.holdAnswersTo = '/s/x-'
      stopped.send({ do: 'acquire', as: 'stopped', resource: 'queue', options: { steal: true } })
      await until('it has asked', () => proxy.held === 1)
      stopped.kill('SIGSTOP')
      proxy.holdAnswersTo = undefined
      proxy.answer()
      await untilTickets(endpoint, 'queue', 2)
      await untilTickets(endpoint, 'queue', 1)
      assert.deepEqual(holder.said('lost'), [])
      stopped.kill('SIGCONT')
      await stopped.says('granted', 'stopped')
      await holder.says('lost', 'holder')
      assert.equal(proxy.held, 0)
      assert.deepEqual(stopped.said('lost', 'stopped'), [])
    })
  })

  test('after its theft: the next waiter gets the lock; when the thief continues, it steals from that one', async () => {
    await inArena('etcd', async (arena) => {
      const { stopped, holder, proxy, endpoint } = await thiefAndHolder(arena)
      const next = arena.start('next', etcdEngine(endpoint))
      await next.says('ready')
      // It takes the holder's ticket away, but doesn't know that yet.
      proxy.holdAnswersTo = '/t/x-'
      stopped.send({ do: 'acquire', as: 'stopped', resource: 'queue', options: { steal: true } })
      await until('it has stolen', () => proxy.held === 1)
      stopped.kill('SIGSTOP')
      proxy.holdAnswersTo = undefined
      proxy.answer()
      await holder.says('lost', 'holder')
      next.send({ do: 'acquire', as: 'next', resource: 'queue' })
      await next.says('granted', 'next')
      assert.deepEqual(stopped.said('granted', 'stopped'), [])
      stopped.kill('SIGCONT')
      await stopped.says('granted', 'stopped')
      await next.says('lost', 'next')
      assert.deepEqual(stopped.said('lost', 'stopped'), [])
      stopped.send({ do: 'release', as: 'stopped' })
      await stopped.says('released', 'stopped')
      await untilTickets(endpoint, 'queue', 0)
    })
  })
})

/** A thief that is about to steal, with its view of the server, and a holder. */
async function thiefAndHolder(
  arena: Arena,
): Promise<{ stopped: Client; holder: Client; proxy: GrpcProxy; endpoint: string }> {
  const endpoint = arena.servers.addressOf('etcd')
  const proxy = arena.use(await GrpcProxy.open(endpoint))
  const [stopped, holder] = [
    arena.start('stopped', etcdEngine(proxy.address)),
    arena.start('holder', etcdEngine(endpoint)),
  ]
  holder.send({ do: 'acquire', as: 'holder', resource: 'queue' })
  await Promise.all([holder.says('granted', 'holder'), stopped.says('ready')])
  return { stopped, holder, proxy, endpoint }
}
