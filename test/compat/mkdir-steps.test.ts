/** The steps of a lock by mkdir, in a file system of this test, in the orders in which two processes can take them. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Steps } from '../../src/compat/mkdir-steps.ts'
import { acquire, release, renew, timeOf } from '../../src/compat/mkdir-steps.ts'

const LOCK = '/lock'
const STALE_MS = 10_000
/** An order of more steps is a loop. */
const MOST_STEPS = 40
/** How often one process stops and the other continues, at most. */
const MOST_SWITCHES = 3

/** The times of the directories, in ms, by their paths. */
type Files = Map<string, number>

function failure(code: string): Error {
  return Object.assign(new Error(code), { code })
}

function take(files: Files, [name, path, , mtime]: readonly unknown[]): unknown {
  const directory = path as string
  if (name === 'mkdir') {
    if (files.has(directory)) throw failure('EEXIST')
    files.set(directory, Date.now())
    return undefined
  }
  if (!files.has(directory)) throw failure('ENOENT')
  if (name === 'rmdir') files.delete(directory)
  if (name === 'utimes') files.set(directory, (mtime as Date).getTime())
  return { mtimeMs: files.get(directory) }
}

/** A process that tries to take the lock. */
class Taker {
  readonly #files: Files
  readonly #steps: Steps<number | undefined> = acquire(LOCK, STALE_MS)
  #next = this.#steps.next()

  constructor(files: Files) {
    this.#files = files
  }

  get isDone(): boolean {
    return this.#next.done === true
  }

  /** The time that the lock has, if this process has got it. */
  get mtimeMs(): number | undefined {
    return this.#next.done === true ? this.#next.value : undefined
  }

  takeStep(): void {
    if (this.#next.done === true) return
    let result: unknown
    try {
      result = take(this.#files, this.#next.value)
    } catch (error) {
      this.#next = this.#steps.throw(error)
      return
    }
    this.#next = this.#steps.next(result)
  }
}

/** Calls `look` at the end of each order. Returns how many there are. */
function forEachOrder(
  before: readonly (readonly [string, number])[],
  look: (takers: Taker[], files: Files) => void,
): number {
  let orders = 0
  const visit = (order: readonly number[], switches: number): void => {
    assert.ok(order.length < MOST_STEPS)
    const files = new Map(before)
    const takers = [new Taker(files), new Taker(files)]
    for (const index of order) takers[index]!.takeStep()
    const others = takers.filter(({ isDone }) => !isDone)
    if (others.length === 0) {
      orders += 1
      look(takers, files)
    }
    const last = order.at(-1)
    for (const taker of others) {
      const index = takers.indexOf(taker)
      const isSwitch = last !== undefined && last !== index && !takers[last]!.isDone
      if (!isSwitch || switches < MOST_SWITCHES) visit([...order, index], switches + Number(isSwitch))
    }
  }
  visit([], 0)
  return orders
}

describe('two processes that request a lock at the same time', () => {
  for (const [what, before] of [
    ['a free lock', []],
    ['a stale lock', [[LOCK, Date.now() - 60_000]]],
  ] as const) {
    test(`at most one gets ${what}, in every order of their steps, and nothing else is left behind`, () => {
      let granted = 0
      const orders = forEachOrder(before, (takers, files) => {
        const holders = takers.filter(({ mtimeMs }) => mtimeMs !== undefined)
        assert.ok(holders.length <= 1, 'two hold')
        granted += holders.length
        assert.deepEqual([...files.keys()], [LOCK])
        if (holders.length === 1) assert.equal(files.get(LOCK), holders[0]!.mtimeMs)
      })
      assert.ok(orders > 5, `${orders} orders`)
      assert.ok(granted > 0, 'nobody ever gets it')
    })
  }
})

test('a holder removes a lock only if it has the time that the holder set', () => {
  for (const [ownMs, isRemoved] of [
    [2000, true],
    [4000, false],
  ] as const) {
    const files: Files = new Map([[LOCK, 2000]])
    const steps = release(LOCK, STALE_MS, (mtimeMs) => mtimeMs === ownMs)
    let next = steps.next()
    while (next.done !== true) next = steps.next(take(files, next.value))
    assert.deepEqual([next.value, files.size], [isRemoved, isRemoved ? 0 : 1])
  }
})

test('the time of a lock is one that the file system can store, and not before now', () => {
  for (const stepMs of [1, 10, 1000, 2000]) {
    const files: Files = new Map([[LOCK, 0]])
    const runHere = <T>(steps: Steps<T>): T => {
      let next = steps.next()
      while (next.done !== true) {
        const result = take(files, next.value)
        files.set(LOCK, Math.floor(files.get(LOCK)! / stepMs) * stepMs)
        next = steps.next(result)
      }
      return next.value
    }
    const startMs = Date.now()
    const timeMs = runHere(renew(LOCK))
    assert.equal(timeMs % stepMs, 0)
    assert.ok(timeMs >= startMs && timeMs <= Date.now() + 2000)
    assert.equal(runHere(timeOf(LOCK, 10_000)), timeMs)
  }
})
