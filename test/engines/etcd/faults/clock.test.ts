import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { pass } from '../../../helpers/until.ts'
import { inArena } from '../../helpers/arena.ts'
import { etcdEngine, lastBelief, TTL_MS } from '../../helpers/etcd-arena.ts'
import { msBetween } from '../../helpers/trace.ts'

const HOUR_MS = 3_600_000

describe('a wall clock that jumps by an hour', () => {
  test('loses and keeps no lock wrongly: a holder that cannot reach the server is notified in time', async () => {
    await inArena('etcd', async (arena) => {
      const engine = etcdEngine(arena.servers.addressOf('etcd'))
      const clients = [HOUR_MS, -HOUR_MS].map((ms) => ({
        ms,
        client: arena.start(ms > 0 ? 'ahead' : 'behind', engine),
      }))
      for (const { ms, client } of clients) {
        client.send({ do: 'acquire', as: 'before', resource: client.name })
        await client.says('granted', 'before')
        client.send({ do: 'skew', ms })
        await client.says('skewed')
      }
      await pass(1.2 * TTL_MS)
      for (const { client } of clients) {
        assert.deepEqual(client.said('lost'), [])
        client.send({ do: 'acquire', as: 'after', resource: `${client.name}-after` })
        await client.says('granted', 'after')
      }
      await arena.servers.signal('etcd', 'SIGSTOP')
      const stopped = process.hrtime.bigint()
      for (const { client } of clients) {
        const lost = await client.says('lost', 'before')
        const ms = Number(BigInt(lost.at) - stopped) / 1e6
        assert.ok(ms < TTL_MS, `told after ${ms} ms`)
        assert.ok(msBetween(lastBelief(arena.trace, client.name)!, lost) < 1000)
      }
      await arena.servers.signal('etcd', 'SIGCONT')
    })
  })
})
