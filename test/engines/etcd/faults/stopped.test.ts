import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { inArena } from '../../helpers/arena.ts'
import { etcdEngine } from '../../helpers/etcd-arena.ts'
import { Sink } from '../../helpers/sink.ts'

describe('a holder that is stopped for longer than the TTL', () => {
  test('writes nothing after the next holder, if it calls assertHeld before, or if the receiver checks the token', async () => {
    await inArena('etcd', async (arena) => {
      const engine = etcdEngine(arena.servers.addressOf('etcd'))
      await Promise.all(
        (['assert', 'token'] as const).map(async (guard) => {
          const sink = arena.use(await Sink.open(arena.path(guard)))
          const [stopped, next] = [`stopped-${guard}`, `next-${guard}`].map((name) =>
            arena.start(name, engine, { sink: sink.path }),
          )
          stopped!.send({ do: 'acquire', as: 'one', resource: guard })
          await stopped!.says('granted')
          stopped!.send({ do: 'write', as: 'one', guard })
          assert.equal((await stopped!.says('wrote')).accepted, true)
          next!.send({ do: 'acquire', as: 'other', resource: guard })
          // With a token, at the worst moment: it knows that it holds, and has not written yet.
          stopped!.send({ do: 'write', as: 'one', guard, stop: guard === 'assert' ? 'before' : 'between' })
          await next!.says('granted')
          next!.send({ do: 'write', as: 'other', guard })
          assert.equal((await next!.says('wrote')).accepted, true)
          stopped!.kill('SIGCONT')
          if (guard === 'assert') assert.equal((await stopped!.says('not written')).code, 'ERR_SLOCKET_LOST')
          else assert.equal((await stopped!.saysAgain('wrote', 1)).accepted, false)
          await stopped!.says('lost')
          assert.deepEqual([sink.accepted, sink.stale, sink.refused], [2, 0, guard === 'token' ? 1 : 0])
        }),
      )
    })
  })
})
