import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { LockManager } from '../../../src/index.ts'
import { THIEVES_END, thiefNumber } from '../../../src/engines/local/names/thief-number.ts'
import { clockNumber, wallClockMs } from '../../../src/engines/local/platform/kernel.ts'
import { NUMBER_DIGITS } from '../../../src/engines/local/ticket-name.ts'
import { isSlocketError } from '../../../src/errors.ts'

const LOWEST = '0'.repeat(NUMBER_DIGITS)

test('a thief comes ahead of the queue, and of earlier thieves', () => {
  const numbers = [thiefNumber(undefined), thiefNumber(clockNumber()), thiefNumber(undefined)]
  numbers.push(thiefNumber(numbers[2]), thiefNumber('0000000000000005000'), thiefNumber(clockNumber()))
  assert.deepEqual(numbers, [...numbers].sort().reverse())
  assert.equal(new Set(numbers).size, numbers.length)
  assert.equal(numbers.at(-1), '0000000000000004998')
  for (const number of numbers) assert.match(number, /^\d{19}$/)
})

test("no other ticket has such a number: it would predate this machine's boot", () => {
  assert.ok(BigInt(clockNumber()) > THIEVES_END)
  assert.ok(wallClockMs(String(THIEVES_END)) < Date.now())
})

test('nobody comes ahead of the lowest number; after that, numbers go down from the top again', () => {
  assert.equal(thiefNumber('0000000000000000001'), LOWEST)
  assert.throws(
    () => thiefNumber(LOWEST),
    (error) => isSlocketError(error, 'ERR_SLOCKET_RESOURCES'),
  )
  assert.equal(BigInt(thiefNumber(undefined)), THIEVES_END - 1n)
  assert.equal(BigInt(thiefNumber(clockNumber())), THIEVES_END - 2n)
})

test('a lock held with the lowest number cannot be stolen: that is an error until its release', async () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-thief-'))
  try {
    const locks = new LockManager({ root: path.join(directory, 'root') })
    thiefNumber('0000000000000000002')
    let release = (): void => {}
    const lowest = locks.request('name', { steal: true }, () => new Promise<void>((resolve) => (release = resolve)))
    const { held } = await locks.query()
    assert.equal(held.length, 1)
    assert.deepEqual(
      fs.readdirSync(path.join(directory, 'root', 'name')).map((name) => name.slice(2, 2 + NUMBER_DIGITS)),
      [LOWEST, LOWEST],
    )
    await assert.rejects(
      locks.request('name', { steal: true }, () => assert.fail('called')),
      (error: DOMException) => isSlocketError(error.cause ?? error, 'ERR_SLOCKET_RESOURCES'),
    )
    const waiting = locks.request('name', () => 'waited')
    release()
    await lowest
    assert.equal(await waiting, 'waited')
    assert.equal(await locks.request('name', { steal: true }, () => 'loot'), 'loot')
  } finally {
    fs.rmSync(directory, { recursive: true, force: true })
  }
})
