import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  ageMs,
  clockNumber,
  kernelId,
  nextNumber,
  nextToken,
  UNKNOWN_KERNEL,
  wallClockMs,
} from '../../../../src/engines/local/platform/kernel.ts'
import { NUMBER_DIGITS, NUMBERS_END } from '../../../../src/engines/local/ticket-name.ts'
import { skipWithoutProc, WITHOUT_PROC } from '../../../helpers/no-proc.ts'

const KERNEL = new URL('../../../../src/engines/local/platform/kernel.js', import.meta.url).href

describe('kernel', () => {
  test('all processes of a kernel have the same base for tokens, and the same name of the kernel', () => {
    const [one, two] = [ask(), ask()]
    assert.deepEqual([one.id, two.id], [kernelId(), kernelId()])
    assertOneBase(one, two)
  })

  test("a process that inherits many descriptors has the same base, and its tokens grow together with others'", () => {
    const before = ask()
    const heir = ask('bash', '-c', `for i in $(seq 3 90); do eval "exec $i</dev/null"; done; exec "$0" "$@"`)
    const later = ask()
    assert.ok(before.token < heir.token && heir.token < later.token)
    assertOneBase(before, heir)
    assertOneBase(heir, later)
  })

  test("a process without /proc has the same base, also with many descriptors, and its tokens grow together with others'", (context) => {
    if (skipWithoutProc !== false) return context.skip(skipWithoutProc)
    const inherit = ['bash', '-c', `for i in $(seq 3 90); do eval "exec $i</dev/null"; done; exec "$0" "$@"`]
    for (const wrapper of [[], inherit]) {
      const before = ask()
      const without = ask(...WITHOUT_PROC, ...wrapper)
      const later = ask()
      assert.equal(without.id, UNKNOWN_KERNEL)
      assert.ok(before.token < without.token && without.token < later.token)
      assertOneBase(before, without)
      assertOneBase(without, later)
    }
  })

  test("the kernel's name has eight hexadecimal digits", () => {
    assert.match(kernelId(), /^[0-9a-f]{8}$/)
  })

  test('tokens grow, however fast they are taken', () => {
    let last = nextToken()
    for (let count = 0; count < 10_000; count += 1) {
      const token = nextToken()
      assert.ok(token > last)
      last = token
    }
  })

  test('a token is close to the wall clock, so it also grows after the next boot', () => {
    const dayNs = 86_400_000_000_000n
    const offNs = nextToken() - BigInt(Date.now()) * 1_000_000n
    // Sleep does not count in the shared clock, and the wall clock may have been set: a rough check of the scale alone.
    assert.ok(offNs < dayNs, `${offNs} ns ahead of the wall clock`)
  })

  test('numbers have a fixed width, and never decrease', () => {
    let last = clockNumber()
    for (let count = 0; count < 1000; count += 1) {
      const number = clockNumber()
      assert.equal(number.length, NUMBER_DIGITS)
      assert.match(number, /^\d+$/)
      assert.ok(number >= last)
      last = number
    }
  })

  test('the next number is larger by one, and as wide', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: BigInt(NUMBERS_END) - 1n }), (value) => {
        const number = String(value).padStart(NUMBER_DIGITS, '0')
        const next = nextNumber(number)
        assert.equal(next.length, NUMBER_DIGITS)
        assert.equal(BigInt(next), value + 1n)
        assert.ok(next > number)
      }),
    )
  })

  test('the age of a number, and its wall-clock time', () => {
    const second = 1_000_000_000n
    const number = String(BigInt(clockNumber()) - 5n * second).padStart(NUMBER_DIGITS, '0')
    const age = ageMs(number)
    assert.ok(age >= 5000, `${age} ms`)
    const beforeMs = Date.now()
    const takenMs = wallClockMs(number)
    assert.ok(takenMs <= beforeMs - 4990, `taken at ${takenMs}, now ${beforeMs}`)
  })
})

interface Asked {
  readonly id: string
  readonly token: bigint
  /** The clock runs on while it is read: the base of the tokens lies between these two. */
  readonly lowest: bigint
  readonly highest: bigint
}

/** Asks a new process, started by `wrapper`. */
function ask(...wrapper: readonly string[]): Asked {
  const code = `
    const { clockNumber, kernelId, nextToken } = await import(${JSON.stringify(KERNEL)})
    nextToken()
    const before = BigInt(clockNumber())
    const token = nextToken()
    const after = BigInt(clockNumber())
    console.log(kernelId(), String(token), String(token - after), String(token - before))`
  const [command, ...parameters] = [...wrapper, process.execPath, '--input-type=module', '-e', code]
  const { stdout, stderr } = spawnSync(command, parameters, { encoding: 'utf8' })
  assert.equal(stderr, '')
  const [id, ...numbers] = stdout.trim().split(' ')
  const [token, lowest, highest] = numbers.map(BigInt)
  return { id: id!, token: token!, lowest: lowest!, highest: highest! }
}

function assertOneBase(one: Asked, two: Asked): void {
  const bases = `${one.lowest} to ${one.highest}, and ${two.lowest} to ${two.highest}`
  assert.ok(one.lowest <= two.highest && two.lowest <= one.highest, bases)
}
