import assert from 'node:assert/strict'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import slocket, { local, memory, MemoryStore } from '../../src/index.ts'
import type { Engine, Lock } from '../../src/index.ts'
import { pass, within } from '../helpers/until.ts'

const directory = fs.mkdtempSync(join(tmpdir(), 'slocket-wanted-'))
after(() => fs.rmSync(directory, { recursive: true, force: true }))
let count = 0

async function untilWanted({ wanted, name }: Lock): Promise<void> {
  const aborted = new Promise<void>((resolve) => {
    if (wanted.aborted) resolve()
    else wanted.addEventListener('abort', () => resolve())
  })
  await within(aborted, () => new Error(`nobody has told that '${name}' is wanted`))
}

const store = new MemoryStore()
const ENGINES: Readonly<Record<string, () => Engine>> = { local, memory: () => memory(store) }

for (const [name, open] of Object.entries(ENGINES)) {
  describe(`lock.wanted, ${name}`, () => {
    const place = (): string => join(directory, `lock-${(count += 1)}`)

    test('aborts when another client waits, also on a kept connection', async () => {
      const [one, other] = [{ engine: open() }, { engine: open() }]
      const path = place()
      for (let round = 0; round < 2; round += 1) {
        const lock = await slocket(path, one)
        assert.equal(lock.wanted.aborted, false)
        const next = slocket(path, other)
        await untilWanted(lock)
        await lock.release()
        await (await next).release()
      }
    })

    test('aborts at once when a request of the same process waits', async () => {
      const engine = open()
      const path = place()
      const lock = await slocket(path, { engine })
      const { wanted } = lock
      assert.equal(wanted.aborted, false)
      const next = slocket(path, { engine })
      // Not by the clock, which would take a second.
      for (let turns = 0; turns < 10; turns += 1) await turn()
      assert.equal(wanted.aborted, true)
      await lock.release()
      const second = await next
      assert.equal(second.wanted.aborted, false)
      await second.release()
    })

    test('shared holders are notified only of an exclusive waiter; holders of permits only if none is left', async () => {
      const clients = [open(), open(), open()].map((engine) => ({ engine }))
      const [path, pool] = [place(), place()]
      const readers = await Promise.all(
        clients.slice(0, 2).map((client) => slocket(path, { ...client, mode: 'shared' })),
      )
      // Three: the first one has no connection to the second, which is ahead of the third.
      const permits = await Promise.all(clients.map((client) => slocket(pool, { ...client, permits: 3 })))
      const all = [...readers, ...permits]
      assert.deepEqual(
        all.map(({ wanted }) => wanted.aborted),
        [false, false, false, false, false],
      )
      await pass(1200)
      assert.deepEqual(
        all.map(({ wanted }) => wanted.aborted),
        [false, false, false, false, false],
      )
      const waiting = [slocket(path, clients[2]), slocket(pool, { ...clients[2], permits: 3 })]
      await Promise.all(all.map(untilWanted))
      await Promise.all(all.map((lock) => lock.release()))
      for (const lock of await Promise.all(waiting)) await lock.release()
    })

    test('never aborts after a release', async () => {
      const [one, other] = [{ engine: open() }, { engine: open() }]
      const path = place()
      const lock = await slocket(path, one)
      const { wanted } = lock
      await lock.release()
      const next = await slocket(path, other)
      assert.equal(wanted.aborted, false)
      await next.release()
    })

    test('does not abort if the listener of another holder of its process has released it', async () => {
      const [one, other] = [{ engine: open() }, { engine: open() }]
      const path = place()
      const shared = { ...one, mode: 'shared' } as const
      const holders = [await slocket(path, shared), await slocket(path, shared)]
      for (const { wanted } of holders) {
        wanted.addEventListener('abort', () => void Promise.all(holders.map((lock) => lock.release())))
      }
      const next = await slocket(path, other)
      assert.deepEqual(
        holders.map(({ wanted }) => wanted.aborted),
        [true, false],
      )
      await next.release()
    })
  })
}
