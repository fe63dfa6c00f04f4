/** The guards: what excludes on Windows, whatever the queue says, and what they keep. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import type { Claim } from '../../src/core/claim.ts'
import { permitClaim } from '../../src/core/claim.ts'
import { splitByTurn } from '../../src/core/standing.ts'
import { Guards } from '../../src/engines/local/windows/guard.ts'
import type { Hold } from '../../src/engines/local/windows/hold.ts'
import { local, slocket } from '../../src/index.ts'
import { Random } from '../../src/testing/random.ts'
import { ELSEWHERE, NO_SHARING } from './on-windows.ts'

const LEAVE = { linger: 0 }
const ROUNDS = 30

describe('a guard', { skip: ELSEWHERE }, () => {
  const parent = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-guard-'))
  after(() => fs.rmSync(parent, { recursive: true, maxRetries: 20 }))
  let count = 0
  const newPath = (): string => path.join(parent, `lock-${(count += 1)}`)
  const open = (file: string, flags: number): string => {
    try {
      fs.closeSync(fs.openSync(file, flags))
      return 'opened'
    } catch (error) {
      return (error as NodeJS.ErrnoException).code!
    }
  }
  const alone = (file: string): string => open(file, fs.constants.O_RDWR | NO_SHARING)
  const together = (file: string): string => open(file, fs.constants.O_RDONLY)

  test('is open exclusively while an exclusive holder has the lock', async () => {
    const lock = newPath()
    const held = await slocket(lock)
    assert.deepEqual([alone(`${lock}/guard`), together(`${lock}/guard`)], ['EBUSY', 'EBUSY'])
    await held.release()
    assert.deepEqual([alone(`${lock}/guard`), together(`${lock}/guard`)], ['opened', 'opened'])
  })

  test('is open shared while shared holders have the lock, until the last one has released', async () => {
    const lock = newPath()
    const [a, b] = [local(), local()]
    const first = await slocket(lock, { mode: 'shared', engine: a })
    const second = await slocket(lock, { mode: 'shared', engine: b })
    for (const one of [first, second]) {
      assert.deepEqual([alone(`${lock}/guard`), together(`${lock}/guard`)], ['EBUSY', 'opened'])
      await one.release()
    }
    assert.equal(alone(`${lock}/guard`), 'opened')
  })

  test('of n permits is open exclusively, one for each holder', async () => {
    const lock = newPath()
    const engines = [local(), local(), local()]
    const [first, second] = [
      await slocket(lock, { permits: 2, engine: engines[0]! }),
      await slocket(lock, { permits: 2, engine: engines[1]! }),
    ]
    assert.deepEqual(
      [alone(`${lock}/guard-1`), alone(`${lock}/guard-2`), alone(`${lock}/guard`)],
      Array(3).fill('EBUSY'),
    )
    const third = slocket(lock, { permits: 2, engine: engines[2]! })
    await first.release()
    await (await third).release()
    assert.equal(fs.existsSync(`${lock}/guard-3`), false)
    await second.release()
    assert.deepEqual([alone(`${lock}/guard-1`), alone(`${lock}/guard-2`)], ['opened', 'opened'])
  })

  test('of n permits is open as often as the holder takes permits; one of them names the holder', async () => {
    const lock = newPath()
    const held = await slocket(lock, { permits: 5, take: 3 })
    assert.deepEqual(
      [1, 2, 3, 4, 5].map((number) => fs.existsSync(`${lock}/guard-${number}`) && alone(`${lock}/guard-${number}`)),
      [false, false, 'EBUSY', 'EBUSY', 'EBUSY'],
    )
    assert.equal(await slocket.try(lock, { permits: 5, take: 3, engine: local() }), null)
    await held.release()
    const names = [3, 4, 5].map((number) => holderIn(`${lock}/guard-${number}`))
    assert.deepEqual(names, ['', '', ''])
    const again = new Guards(lock).take(permitClaim(5, 3), 'somebody', [])!
    again.grant()
    again.abandon()
    assert.deepEqual(
      [3, 4, 5].map((number) => holderIn(`${lock}/guard-${number}`)),
      ['', '', 'somebody'],
    )
  })

  test('of the highest permits is taken first: so requests with other numbers get theirs when it is their turn', () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const lock = newPath()
      fs.mkdirSync(lock)
      const guards = new Guards(lock)
      guards.prepare()
      const random = new Random(round)
      let queue: { id: string; claim: Claim; live: boolean; joining: boolean; hold?: Hold }[] = []
      for (let step = 0; step < 60; step += 1) {
        const turns = splitByTurn(queue).held
        const due = turns.filter(({ hold }) => hold === undefined)
        const holders = turns.filter(({ hold }) => hold !== undefined)
        if (due.length > 0 && random.chance(0.4)) {
          const one = random.pick(due)
          const hold = guards.take(one.claim, one.id, fs.readdirSync(lock))
          assert.ok(
            hold,
            `round ${round}, step ${step}: ${JSON.stringify(queue.map((ticket) => [ticket.claim, ticket.hold !== undefined]))}`,
          )
          hold.grant()
          one.hold = hold
        } else if (holders.length > 0 && random.chance(0.4)) {
          const one = random.pick(holders)
          one.hold!.close()
          queue = queue.filter((ticket) => ticket !== one)
        } else {
          const permits = 1 + random.below(6)
          const claim = permitClaim(permits, 1 + random.below(permits))
          queue.push({ id: String(step), claim, live: true, joining: false })
        }
      }
      for (const { hold } of queue) hold?.close()
    }
  })

  for (const [what, options, name] of [
    ['an exclusive request', {}, 'guard'],
    ['a shared request', { mode: 'shared' }, 'guard'],
    ['a request for a permit', { permits: 1 }, 'guard-1'],
  ] as const) {
    test(`that is open elsewhere keeps ${what} waiting although nobody is ahead; a try gives up`, async () => {
      const lock = newPath()
      await (await slocket(lock, options)).release()
      const descriptor = fs.openSync(`${lock}/${name}`, fs.constants.O_RDWR | NO_SHARING)
      assert.equal(await slocket.try(lock, options), null)
      const waiting = slocket(lock, options)
      assert.equal(await Promise.race([waiting, new Promise((done) => setTimeout(done, 300, 'waits'))]), 'waits')
      fs.closeSync(descriptor)
      const held = await waiting
      assert.equal(held.recovered, false)
      await held.release()
    })
  }

  test('that names a holder reports its death: to each shared holder, and to the next exclusive one, once', async () => {
    const lock = newPath()
    await (await slocket(lock)).release()
    leaveHolder(`${lock}/guard`)
    for (const [options, recovered] of [
      [{ mode: 'shared' }, true],
      [{ mode: 'shared' }, true],
      [{}, true],
      [{}, false],
      [{ mode: 'shared' }, false],
    ] as const) {
      const held = await slocket(lock, options)
      assert.equal(held.recovered, recovered, JSON.stringify(options))
      await held.release()
    }
  })

  test('of a permit that names a holder reports to the next holder, whichever permit that has', async () => {
    const lock = newPath()
    const engines = [local(), local()]
    const both = await Promise.all(engines.map((engine) => slocket(lock, { permits: 3, engine })))
    await both[1]!.release()
    leaveHolder(`${lock}/guard-2`)
    await both[0]!.release()
    const first = await slocket(lock, { permits: 3, engine: engines[0]! })
    const second = await slocket(lock, { permits: 3, engine: engines[1]! })
    assert.deepEqual([first.recovered, second.recovered], [true, false])
    await Promise.all([first.release(), second.release()])
  })

  test('that names a holder is not removed when the lock is idle, so what it says is not lost', async () => {
    const lock = newPath()
    const reader = await slocket(lock, { mode: 'shared', ...LEAVE, engine: local() })
    await reader.release()
    assert.equal(fs.existsSync(lock), false)
    await (await slocket(lock)).release()
    leaveHolder(`${lock}/guard`)
    const shared = await slocket(lock, { mode: 'shared', ...LEAVE })
    await shared.release()
    assert.equal(fs.existsSync(`${lock}/guard`), true)
    const exclusive = await slocket(lock, LEAVE)
    assert.equal(exclusive.recovered, true)
    await exclusive.release()
    assert.equal(fs.existsSync(lock), false)
  })

  test('of an earlier boot lets its tokens continue to grow', async () => {
    const lock = newPath()
    const before = await slocket(lock)
    await before.release()
    const guard = `${lock}/guard`
    fs.writeFileSync(guard, fs.readFileSync(guard, 'latin1').replace(/ \d{20} /, ` ${'1'.padStart(20, '0')} `))
    for (const mode of ['shared', 'exclusive'] as const) {
      const held = await slocket(lock, { mode })
      assert.ok(held.token > before.token, `${held.token} after ${before.token}`)
      await held.release()
    }
  })

  test('with unreadable content counts as that of a dead holder', async () => {
    const lock = newPath()
    await (await slocket(lock)).release()
    fs.writeFileSync(`${lock}/guard`, 'not a record')
    const held = await slocket(lock)
    assert.equal(held.recovered, true)
    await held.release()
  })
})

/** As a holder leaves it that is killed. */
function leaveHolder(guard: string): void {
  const name = '2-0000000000000000001-x-1-aaaaaaaaaaaa-00000000'
  const record = fs.readFileSync(guard, 'latin1')
  fs.writeFileSync(guard, record.slice(0, 33) + name.padEnd(72) + '\n', 'latin1')
}

/** What a guard that nobody has open says of its holder. */
function holderIn(guard: string): string {
  return fs.readFileSync(guard, 'latin1').slice(33).trim()
}
