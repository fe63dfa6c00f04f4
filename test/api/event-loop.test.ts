// A loop of `await` lets timers, I/O and signal handlers run, whatever it waits for.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import lockfile from '../../src/compat/proper-lockfile.ts'
import slocket, { LockManager, local, memory, MemoryStore } from '../../src/index.ts'
import type { Engine } from '../../src/index.ts'
import { DEADLINE_MS } from '../helpers/until.ts'

const directory = fs.mkdtempSync(join(tmpdir(), 'slocket-event-loop-'))
after(() => fs.rmSync(directory, { recursive: true, force: true }))
let count = 0
const place = (): string => join(directory, `lock-${(count += 1)}`)

/** Fails if a timer that was due at once has not fired before the deadline. Blocks the event loop until then, if `attempt` does. */
async function loopUntilTimer(attempt: () => Promise<unknown>): Promise<void> {
  let hasFired = false
  const timer = setTimeout(() => (hasFired = true), 1)
  const endMs = performance.now() + DEADLINE_MS / 6
  while (!hasFired && performance.now() < endMs) await attempt()
  clearTimeout(timer)
  assert.ok(hasFired, 'no timer fired while the loop ran')
}

const store = new MemoryStore()
const ENGINES: Readonly<Record<string, () => Engine>> = { local, memory: () => memory(store) }

for (const [name, open] of Object.entries(ENGINES)) {
  describe(`a loop of await lets timers fire, ${name}`, () => {
    test('of refused tries', async () => {
      const [options, path] = [{ engine: open() }, place()]
      await using _lock = await slocket(path, options)
      await loopUntilTimer(() => slocket.try(path, options))
    })

    test('of refused requests with timeout 0', async () => {
      const [options, path] = [{ engine: open(), timeout: 0 }, place()]
      await using _lock = await slocket(path, options)
      await loopUntilTimer(() => assert.rejects(slocket(path, options), { code: 'ERR_SLOCKET_TIMEOUT' }))
    })

    test('of queries', async () => {
      const [options, path] = [{ engine: open() }, place()]
      await loopUntilTimer(() => slocket.query(path, options))
      await using _lock = await slocket(path, options)
      await loopUntilTimer(() => slocket.query(path, options))
    })

    test('of acquire and release of free locks, one or many', async () => {
      const [options, path] = [{ engine: open() }, place()]
      await loopUntilTimer(async () => (await slocket(path, options)).release())
      await loopUntilTimer(() => slocket.with(path, options, () => {}))
      await loopUntilTimer(async () => (await slocket.try(path, options))?.release())
      await loopUntilTimer(async () => (await slocket(place(), { ...options, linger: 0 })).release())
    })

    test('of permits and shared locks', async () => {
      const options = { engine: open() }
      const [permits, shared] = [place(), place()]
      await loopUntilTimer(() => slocket.with(permits, { ...options, permits: 2 }, () => {}))
      await loopUntilTimer(() => slocket.with(shared, { ...options, mode: 'shared' }, () => {}))
    })

    test('of many callers that pass a lock on', async () => {
      const [options, path] = [{ engine: open() }, place()]
      await loopUntilTimer(async () => {
        await Promise.all(Array.from({ length: 4 }, () => slocket.with(path, options, () => {})))
      })
    })

    test('of failing requests', async () => {
      const options = { engine: open() }
      const [missing, mixed] = [join(directory, 'missing', 'lock'), place()]
      if (name === 'local') {
        await loopUntilTimer(() => assert.rejects(slocket(missing, options), { code: 'ERR_SLOCKET_NO_PARENT' }))
      }
      await using _permit = await slocket(mixed, { ...options, permits: 2 })
      const request = { ...options, mode: 'shared' as const }
      await loopUntilTimer(() => assert.rejects(slocket(mixed, request), { code: 'ERR_SLOCKET_CLAIM_MISMATCH' }))
    })

    test('of requests with an aborted signal', async () => {
      const options = { engine: open(), signal: AbortSignal.abort('aborted') }
      const isReason = (reason: unknown): boolean => reason === 'aborted'
      const path = place()
      await loopUntilTimer(() => assert.rejects(slocket(path, options), isReason))
      await loopUntilTimer(() => assert.rejects(slocket(path, { ...options, timeout: 1000 }), isReason))
      await loopUntilTimer(() => assert.rejects(slocket.try(path, options), isReason))
      await loopUntilTimer(() =>
        assert.rejects(
          slocket.with(path, options, () => {}),
          isReason,
        ),
      )
    })

    test('of calls of slocket.with() that are deadlocks', async () => {
      const [options, path] = [{ engine: open() }, place()]
      const nested = (): Promise<void> =>
        assert.rejects(
          slocket.with(path, options, () => {}),
          { code: 'ERR_SLOCKET_DEADLOCK' },
        )
      await slocket.with(path, options, () => loopUntilTimer(nested))
    })

    test('of requests for named locks', async () => {
      const locks = name === 'local' ? new LockManager({ root: place() }) : new LockManager({ engine: open() })
      await loopUntilTimer(() => locks.request('free', () => {}))
      await locks.request('taken', async () => {
        await loopUntilTimer(() => locks.request('taken', { ifAvailable: true }, (lock) => assert.equal(lock, null)))
      })
    })
  })
}

describe('a loop of await lets timers fire, with slocket/proper-lockfile', () => {
  const options = { realpath: false }

  test('of refused locks, of checks, and of lock and unlock', async () => {
    const file = place()
    await loopUntilTimer(async () => (await lockfile.lock(file, options))())
    await loopUntilTimer(() => lockfile.check(file, options))
    const release = await lockfile.lock(file, options)
    await loopUntilTimer(() => assert.rejects(lockfile.lock(file, options), { code: 'ELOCKED' }))
    await loopUntilTimer(() => lockfile.check(file, options))
    await release()
  })
})

test('grants settle in order, whether or not they take a turn of the event loop', async () => {
  const options = { engine: memory(), mode: 'shared' } as const
  const order: number[] = []
  const wanted = Array.from({ length: 500 }, (_, index) => index)
  await Promise.all(
    wanted.map(async (index) => {
      await using _lock = await slocket(`lock-${index % 7}`, options)
      order.push(index)
      // So that a millisecond goes by soon, without a turn.
      const endMs = performance.now() + 0.05
      while (performance.now() < endMs);
    }),
  )
  for (let remainder = 0; remainder < 7; remainder += 1) {
    const own = order.filter((index) => index % 7 === remainder)
    assert.deepEqual(
      own,
      own.toSorted((a, b) => a - b),
    )
  }
  await turn()
})
