// What is removed from outside is seen at once by whoever looks: no timer has run in between.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import type { Grant, Lock, SyncLock } from '../../src/index.ts'
import slocket, { isSlocketError } from '../../src/index.ts'
import { EXCLUSIVE } from '../../src/core/claim.ts'
import { openNames } from '../../src/engines/local/names/index.ts'
import { ticketsIn } from '../helpers/lock-directory.ts'
import { makeParent } from './run-child.ts'

let lockPath: string
let dispose: () => void
beforeEach(() => ({ lockPath, dispose } = makeParent()))
afterEach(() => dispose())

const REMOVALS: Readonly<Record<string, () => void>> = {
  'its ticket is removed': () => {
    for (const { name } of ticketsIn(lockPath)) fs.unlinkSync(path.join(lockPath, name))
  },
  'its directory is removed': () => fs.rmSync(lockPath, { recursive: true }),
  'its directory is moved away': () => fs.renameSync(lockPath, `${lockPath}.old`),
  'its directory is removed and made anew': () => {
    fs.rmSync(lockPath, { recursive: true })
    fs.mkdirSync(lockPath)
  },
  'a file is in place of its directory': () => {
    fs.rmSync(lockPath, { recursive: true })
    fs.writeFileSync(lockPath, '')
  },
  'a link to nowhere is in place of its directory': () => {
    fs.rmSync(lockPath, { recursive: true })
    fs.symlinkSync('nowhere', lockPath)
  },
}

const LOOKS: Readonly<Record<string, (lock: Lock | SyncLock) => boolean>> = {
  held: (lock) => !lock.held,
  signal: (lock) => lock.signal.aborted,
}

const isLost = (error: unknown): boolean => isSlocketError(error, 'ERR_SLOCKET_LOST')

test('a lost lock is noticed also if a test of the program has replaced fs.existsSync', async (t) => {
  const lock = await slocket(lockPath)
  t.mock.method(fs, 'existsSync', () => true)
  REMOVALS['its ticket is removed']!()
  assert.equal(lock.held, false)
})

for (const form of ['slocket', 'slocket.sync'] as const) {
  describe(`${form}: a lost lock`, () => {
    for (const [what, remove] of Object.entries(REMOVALS)) {
      for (const [member, isSeenLost] of Object.entries(LOOKS)) {
        test(`${what}: ${member} notices at once, and the signal has aborted`, async () => {
          const lock = form === 'slocket' ? await slocket(lockPath) : slocket.sync(lockPath)
          const { signal } = lock
          let heard: unknown
          signal.addEventListener('abort', () => (heard = signal.reason))
          assert.equal(isSeenLost(lock), false)
          remove()
          assert.equal(signal.aborted, false)
          assert.equal(isSeenLost(lock), true)
          assert.ok(isLost(signal.reason))
          assert.equal(heard, signal.reason)
          assert.equal(lock.held, false)
          await lock.release()
        })
      }
    }
  })
}

test('assertHeld throws the reason of the signal as soon as the ticket is gone', async () => {
  const lock = await slocket(lockPath)
  lock.assertHeld()
  fs.rmSync(lockPath, { recursive: true })
  assert.throws(
    () => lock.assertHeld(),
    (error) => isLost(error) && error === lock.signal.reason,
  )
})

test('all holders with a shared ticket are notified when one of them checks; waiters with it are not', async () => {
  const [one, other] = [await slocket(lockPath, { mode: 'shared' }), await slocket(lockPath, { mode: 'shared' })]
  const { signal } = other
  fs.rmSync(lockPath, { recursive: true })
  assert.equal(one.held, false)
  assert.ok(isLost(signal.reason))
  const first = await slocket(lockPath)
  const second = slocket(lockPath)
  await slocket.query(lockPath)
  fs.rmSync(lockPath, { recursive: true })
  assert.equal(first.held, false)
  await (await second).release()
})

test('a permit notices only its own loss', async () => {
  const [one, other] = [await slocket(lockPath, { permits: 2 }), await slocket(lockPath, { permits: 2 })]
  const [ticket] = ticketsIn(lockPath)
  fs.unlinkSync(path.join(lockPath, ticket!.name))
  assert.deepEqual([one.held, other.held], [false, true])
  await other.release()
})

test('acquire and release check nothing: only held, assertHeld and signal call lstat', async (t) => {
  await (await slocket(lockPath)).release()
  const looks = t.mock.method(fs, 'lstatSync')
  const lock = await slocket(lockPath)
  await lock.release()
  assert.equal(looks.mock.callCount(), 0)
})

describe('a named lock', () => {
  const request = { claim: EXCLUSIVE, wait: true, lingerMs: 0 }
  const queue = (): string => path.join(lockPath, 'name')
  const entry = (end: RegExp): string =>
    path.join(
      queue(),
      fs.readdirSync(queue()).find((name) => end.test(name))!,
    )

  for (const [what, take] of Object.entries({
    'stolen from': () => fs.renameSync(entry(/-h$/), entry(/-h$/).replace(/h$/, 's')),
    'without its ticket': () => fs.unlinkSync(entry(/-[0-9a-f]{8}$/)),
    'without its directory': () => fs.rmSync(queue(), { recursive: true }),
  })) {
    test(`that is ${what} is not held, and its holder has been notified by then`, async () => {
      const grant: Grant = (await openNames(lockPath).acquire('name', request))!
      let loss: unknown
      grant.onLost((error) => (loss = error))
      assert.equal(grant.isHeld!(), true)
      take()
      assert.equal(grant.isHeld!(), false)
      assert.ok(isLost(loss))
      await grant.release()
    })
  }
})
