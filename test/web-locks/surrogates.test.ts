// Half of a surrogate pair has no bytes in UTF-8: encoders write U+FFFD for each, and what differed is the same.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import type { Engine } from '../../src/index.ts'
import { local, LockManager, memory, slocket } from '../../src/index.ts'

const HALVES = ['\ud800', '\udc00', 'a\ud83d', '\udc00\ud800']
const parent = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-surrogates-'))
after(() => fs.rmSync(parent, { recursive: true, force: true }))

const notCalled = (): void => assert.fail('must not be called')

describe('names that differ in half a surrogate pair', () => {
  const managers: Readonly<Record<string, () => LockManager>> = {
    'a root': () => new LockManager({ root: path.join(parent, 'root') }),
    memory: () => new LockManager({ engine: memory() }),
  }
  for (const [what, open] of Object.entries(managers)) {
    test(`are different locks: ${what}`, async () => {
      const locks = open()
      const names = [...HALVES, '\ufffd', '\ufffd\ufffd', 'a\ufffd', ...HALVES.map((half) => half.repeat(300))]
      const held: Promise<unknown>[] = []
      let release!: () => void
      const released = new Promise<void>((resolve) => (release = resolve))
      for (const name of names) {
        await new Promise<void>((resolve) => {
          held.push(
            locks.request(name, { ifAvailable: true }, async (lock) => {
              assert.equal(lock?.name, name)
              resolve()
              await released
            }),
          )
        })
      }
      const snapshot = await locks.query()
      assert.deepEqual(snapshot.held.map(({ name }) => name).sort(), names.toSorted())
      release()
      await Promise.all(held)
    })
  }
})

describe('a path with half a surrogate pair', () => {
  const engines: Readonly<Record<string, () => Engine>> = { local, memory: () => memory() }
  for (const [what, open] of Object.entries(engines)) {
    test(`is an error: ${what}`, async () => {
      const engine = open()
      for (const half of HALVES) {
        const name = path.join(parent, half)
        const calls = [
          async () => await slocket(name, { engine }),
          async () => slocket(name, { engine }, notCalled),
          async () => await slocket.try(name, { engine }),
          async () => await slocket.with(name, { engine }, notCalled),
          async () => await slocket.query(name, { engine }),
        ]
        for (const call of calls) await assert.rejects(call, /path must be well-formed Unicode/)
        assert.throws(() => slocket.sync(name), TypeError)
      }
    })
  }

  test('is an error as a root, and as a name that is a path for its engine', async () => {
    assert.throws(() => new LockManager({ root: `${parent}/\ud800` }), TypeError)
    const locks = new LockManager({ engine: local() })
    await assert.rejects(locks.request(`${parent}/\ud800`, notCalled), TypeError)
    assert.deepEqual(
      fs.readdirSync(parent).filter((name) => name.includes('\ufffd')),
      [],
    )
  })

  test('is accepted if the pair is complete', async () => {
    const lock = await slocket(path.join(parent, '\u{1f512}'), { linger: 0 })
    await lock.release()
  })
})
