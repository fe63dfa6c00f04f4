// Permits on PostgreSQL: what holders and other clients can see of them.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { slocket } from '../../../src/index.ts'
import { DEADLINE_MS, pass, until } from '../../helpers/until.ts'
import { administer } from './admin.ts'
import { HEARTBEAT_MS, assertFree, fresh, open, untilAtGate, untilPending, url } from './permits.ts'

describe('queries of permits on PostgreSQL', () => {
  test('the next request waits since its call, not since it became the next', async () => {
    const [name, engine] = [fresh(), open()]
    const holder = await slocket(name, { engine, permits: 1 })
    const quitting = new AbortController()
    const quitter = slocket(name, { engine, permits: 1, label: 'quitter', signal: quitting.signal })
    await untilPending(name, engine, 'quitter')
    const next = slocket(name, { engine, permits: 1, label: 'next' })
    await untilPending(name, engine, 'quitter', 'next')
    await untilAtGate(name, 1)
    const asked = (await slocket.query(name, { engine })).pending[1]!.since
    const waitedMs = 4000
    await pass(waitedMs)
    quitting.abort()
    await assert.rejects(quitter)
    await untilAtGate(name, 0)
    // Until its second check has reported that, it is that of its first statement.
    for (let look = 0; look < 3; look += 1) {
      const { since } = (await slocket.query(name, { engine: open() })).pending[0]!
      assert.ok(Math.abs(since!.getTime() - asked!.getTime()) < 0.75 * waitedMs, since!.toISOString())
      await pass(HEARTBEAT_MS / 2)
    }
    await holder.release()
    await (await next).release()
  })

  test('a holder of permits is notified by `wanted`', async () => {
    const [name, engine] = [fresh(), open()]
    const holder = await slocket(name, { engine, permits: 2, take: 2 })
    let isWanted = false
    holder.wanted.addEventListener('abort', () => (isWanted = true))
    const next = slocket(name, { engine: open(), permits: 2 })
    await until('the holder is told', () => isWanted)
    await holder.release()
    await (await next).release()
  })

  test('a query of all locks shows permits; the next request holds no snapshot of the server', async () => {
    const [name, engine] = [fresh(), open()]
    const holder = await slocket(name, { engine, permits: 5, take: 3, label: 'holder' })
    const next = slocket(name, { engine, permits: 4, take: 2, label: 'next' })
    await untilPending(name, engine, 'next')
    const behind = slocket(name, { engine, permits: 5, label: 'behind' })
    await untilPending(name, engine, 'next', 'behind')
    for (const looking of [engine, open()]) {
      const { held, pending } = (await looking.queryAll!()).get(name)!
      assert.deepEqual(
        [...held, ...pending].map(({ claim, label }) => [label, claim]),
        [
          ['holder', { kind: 'permit', permits: 5, take: 3 }],
          ['next', { kind: 'permit', permits: 4, take: 2 }],
          ['behind', { kind: 'permit', permits: 5, take: 1 }],
        ],
      )
      assert.ok([...held, ...pending].every(({ sinceMs }) => Math.abs(Date.now() - sinceMs!) < DEADLINE_MS))
    }
    await until('it is idle', async () => {
      const rows = await administer(
        url,
        `SELECT FROM pg_stat_activity WHERE query LIKE '/*slocket %"next"%${name}%' AND state = 'idle' AND backend_xmin IS NULL`,
      )
      return rows.length === 1
    })
    await holder.release()
    for (const lock of await Promise.all([next, behind])) await lock.release()
    await assertFree(name, engine)
  })
})
