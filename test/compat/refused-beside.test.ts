/** `slocket/proper-lockfile` where slocket refuses, beside processes on the same lock where it doesn't: both kinds of locks exclude each other. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, mock, test } from 'node:test'
import { check, checkSync, lock, lockSync } from '../../src/compat/proper-lockfile.ts'
import { makeParent } from '../api/run-child.ts'
import { reasonNotRoot } from '../helpers/privileges.ts'
import { Program } from '../helpers/program.ts'
import { until } from '../helpers/until.ts'

const NFS = 0x6969
const REFUSED = `fs.statfsSync = () => ({ type: ${NFS} })\n`
const FOREVER = { retries: { forever: true } }

let file: string
let lockPath: string
let dispose: () => void

beforeEach(() => {
  const parent = makeParent()
  dispose = parent.dispose
  file = path.join(path.dirname(parent.lockPath), 'file')
  lockPath = `${file}.lock`
  fs.writeFileSync(file, '')
})
afterEach(() => {
  mock.restoreAll()
  dispose()
})

function refuse(): void {
  mock.method(fs, 'statfsSync', () => ({ type: NFS }))
}

function hasCode(code: string, message?: RegExp): (error: unknown) => boolean {
  return (error) => {
    const { code: actual, message: text } = error as NodeJS.ErrnoException
    assert.equal(actual, code)
    if (message !== undefined) assert.match(text, message)
    return true
  }
}

function makeOlder(ms: number): void {
  const then = new Date(Date.now() - ms)
  fs.utimesSync(lockPath, then, then)
}

describe('beside processes that slocket does not refuse', () => {
  test('a lock of slocket is respected, however old, until it is released', async () => {
    const program = new Program(
      file,
      `const release = lockfile.lockSync(lockPath); say(release.kind); hear(); release()`,
    )
    assert.equal(await program.next(), 'slocket')
    makeOlder(3_600_000)
    refuse()
    await assert.rejects(lock(file), hasCode('ELOCKED'))
    assert.throws(() => lockSync(file), hasCode('ELOCKED'))
    assert.deepEqual([await check(file), checkSync(file)], [true, true])
    const waiting = lock(file, FOREVER)
    program.goOn()
    assert.equal((await program.ended()).code, 0)
    const release = await waiting
    assert.equal(release.kind, 'mkdir')
    await release()
  })

  test('a mkdir lock is respected, and waited for', async () => {
    const program = new Program(
      file,
      `const release = lockfile.lockSync(lockPath); say(release.kind); hear(); release()`,
      {
        before: REFUSED,
      },
    )
    assert.equal(await program.next(), 'mkdir')
    await assert.rejects(lock(file), hasCode('ELOCKED'))
    assert.throws(() => lockSync(file), hasCode('ELOCKED'))
    assert.deepEqual([await check(file), checkSync(file)], [true, true])
    const waiting = lock(file, FOREVER)
    program.goOn()
    assert.equal((await program.ended()).code, 0)
    const release = await waiting
    assert.equal(release.kind, 'slocket')
    await release()
  })

  test('both kinds exclude each other', async () => {
    const ROUNDS = 20
    const inside = `${file}.inside`
    const counter = `${file}.count`
    fs.writeFileSync(counter, '0')
    const body = `
      const retries = { forever: true }
      for (let round = 0; round < ${ROUNDS}; round += 1) {
        const release = await lockfile.lock(lockPath, { retries })
        fs.mkdirSync(${JSON.stringify(inside)})
        const count = Number(fs.readFileSync(${JSON.stringify(counter)}, 'utf8'))
        await new Promise((resolve) => setTimeout(resolve, 1))
        fs.writeFileSync(${JSON.stringify(counter)}, String(count + 1))
        fs.rmdirSync(${JSON.stringify(inside)})
        await release()
      }`
    const programs = [REFUSED, '', REFUSED, ''].map((before) => new Program(file, body, { before }))
    for (const program of programs) {
      const { code, stderr } = await program.ended()
      assert.equal(code, 0, stderr)
    }
    assert.equal(fs.readFileSync(counter, 'utf8'), String(programs.length * ROUNDS))
    await until('nothing is left', () => !fs.existsSync(lockPath))
  })

  test("another user's lock is ELOCKED, and free after its release", { skip: reasonNotRoot() }, async () => {
    fs.chmodSync(path.dirname(file), 0o777)
    const release = await lock(file)
    const before = 'process.setgid(65534); process.setuid(65534)\n'
    const program = new Program(
      file,
      `const attempt = () => lockfile.lock(lockPath).then((release) => [release.kind], ({ code, cause }) => [code, cause.code])
       say([await lockfile.check(lockPath), lockfile.checkSync(lockPath), ...await attempt()])
       hear()
       say([await lockfile.check(lockPath), ...await attempt()])`,
      { before },
    )
    assert.deepEqual(await program.next(), [true, true, 'ELOCKED', 'ERR_SLOCKET_PERMISSION'])
    await release()
    program.goOn()
    assert.deepEqual(await program.next(), [false, 'slocket'])
    assert.equal((await program.ended()).code, 0)
  })
})
