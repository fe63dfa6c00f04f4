/**
 * First come, first served, by the server's own queue: before each release it is asked who is ahead of whom (`pg_blocking_pids` names those that hold, and those
 * that are ahead in the queue and conflict), and afterwards exactly those hold that nobody was ahead of. So this compares no times: `pg_locks.waitstart` is set some time
 * after a waiter has its place. https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SESSION
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import pg from 'pg'
import { postgres } from '../../../src/engines/postgres/index.ts'
import { keyOf, whereKey } from '../../../src/engines/postgres/key.ts'
import type { Lock } from '../../../src/index.ts'
import { slocket } from '../../../src/index.ts'
import { Random } from '../../../src/testing/random.ts'
import { seed } from '../../conformance/seed.ts'
import { until } from '../../helpers/until.ts'
import { Pooler, withoutPgBouncer } from '../helpers/pooler.ts'
import { addressOf } from '../helpers/servers.ts'

const REQUESTS = 40
const MOST_WAITING = 8
/** Few, so that several requests of one are under way at a time. */
const ENGINES = 2

/** A session of the server that holds the lock, or waits for it. */
interface Place {
  readonly pid: number
  readonly granted: boolean
  /** The requests that it waits for: holders, and conflicting requests ahead. */
  readonly blockers: readonly number[]
}

interface Asked {
  readonly engine: number
  /** Among the requests of its engine. */
  readonly number: number
  readonly mode: 'exclusive' | 'shared'
  readonly controller: AbortController
  lock: Lock | undefined
  isOver: boolean
}

/** Those that hold once all that hold now have released. */
function nextOf(queue: readonly Place[]): number[] {
  const holders = new Set(queue.filter(({ granted }) => granted).map(({ pid }) => pid))
  const next = queue.filter(({ granted, blockers }) => !granted && blockers.every((pid) => holders.has(pid)))
  return next.map(({ pid }) => pid).sort((a, b) => a - b)
}

test('the next request is the one with only holders ahead', () => {
  const holder = { pid: 1, granted: true, blockers: [] }
  const shared = [
    { pid: 4, granted: false, blockers: [1] },
    { pid: 2, granted: false, blockers: [1] },
  ]
  const behind = { pid: 3, granted: false, blockers: [1, 2, 4] }
  assert.deepEqual(nextOf([holder, behind, ...shared]), [2, 4])
  assert.deepEqual(nextOf([holder]), [])
})

for (const way of ['directly', 'through PgBouncer'] as const)
  describe(`the queue of PostgreSQL, ${way}`, { skip: way === 'directly' ? false : withoutPgBouncer() }, () => {
    const name = `order-${randomBytes(6).toString('hex')}`
    const watcher = new pg.Client({ connectionString: addressOf('postgres') })
    let url = addressOf('postgres')
    let pooler: Pooler | undefined

    before(async () => {
      await watcher.connect()
      if (way === 'directly') return
      pooler = await Pooler.start(url, 'transaction', 60)
      url = pooler.url
    })

    after(async () => {
      await watcher.end()
      await pooler?.end()
    })

    async function look(): Promise<Place[]> {
      const { rows } = await watcher.query<Place>(
        `SELECT pid, granted, pg_blocking_pids(pid) AS blockers FROM pg_locks WHERE ${whereKey(keyOf('slocket', name))}`,
      )
      return rows
    }

    test(`decides, whatever requests, gives up and releases (seed ${seed})`, async () => {
      const random = new Random(seed)
      const engines = Array.from({ length: ENGINES }, () =>
        postgres({ connectionString: url, ...(way === 'directly' ? {} : { pooler: 'transaction' }) }),
      )
      const asked: Asked[] = []
      const granted: Asked[] = []
      const waiting = (): Asked[] => asked.filter(({ lock, isOver }) => lock === undefined && !isOver)
      const holding = (): Asked[] => asked.filter(({ lock, isOver }) => lock !== undefined && !isOver)

      const ask = (): void => {
        const engine = random.below(ENGINES)
        const number = asked.filter((other) => other.engine === engine).length
        const mode = random.pick(['exclusive', 'exclusive', 'shared'] as const)
        const one: Asked = { engine, number, mode, controller: new AbortController(), lock: undefined, isOver: false }
        asked.push(one)
        const take = async (): Promise<void> => {
          try {
            one.lock = await slocket(name, { engine: engines[engine]!, mode, signal: one.controller.signal })
            granted.push(one)
          } catch (error) {
            one.isOver = true
            assert.equal(error, one.controller.signal.reason)
          }
        }
        void take()
      }
      /** Until the server has all that were asked, as this process believes. */
      const settle = async (): Promise<Place[]> =>
        await until('the server has them all', async () => {
          const queue = await look()
          const holders = queue.filter((place) => place.granted).length
          const isSo = holders === holding().length && queue.length - holders === waiting().length
          return isSo && (holders > 0 || queue.length === 0) ? queue : undefined
        })

      let chances = 0
      ask()
      while (asked.length < REQUESTS || waiting().length + holding().length > 0) {
        for (let more = random.below(MOST_WAITING); more > 0 && asked.length < REQUESTS; more -= 1)
          if (waiting().length < MOST_WAITING) ask()
        await settle()
        const [first] = waiting()
        if (first !== undefined && random.below(3) === 0) {
          random.pick(waiting()).controller.abort()
          await until('it has given up', () =>
            asked.every(({ controller, isOver, lock }) => isOver || lock !== undefined || !controller.signal.aborted),
          )
        }
        const queue = await settle()
        const next = nextOf(queue)
        if (queue.filter((place) => !place.granted).length > next.length) chances += 1
        const holders = holding()
        for (const one of holders) one.isOver = true
        await Promise.all(holders.map(({ lock }) => lock!.release()))
        const settled = await settle()
        const now = settled.filter((place) => place.granted).map(({ pid }) => pid)
        assert.deepEqual(
          now.sort((a, b) => a - b),
          next,
        )
        if (asked.length < REQUESTS && waiting().length + holding().length === 0) ask()
      }
      assert.ok(chances > 3, `somebody could have come before another one only ${chances} times`)
      assertOrderOfEach(granted)
    })
  })

/** Within an engine, requests are granted in the order of their calls, except for shared ones, which are granted together. */
function assertOrderOfEach(granted: readonly Asked[]): void {
  for (const [index, later] of granted.entries())
    for (const earlier of granted.slice(0, index)) {
      if (earlier.engine !== later.engine || (earlier.mode === 'shared' && later.mode === 'shared')) continue
      assert.ok(earlier.number < later.number, `request ${later.number} of engine ${later.engine} was overtaken`)
    }
}
