/** What `slocket run` understands, and what it exits with. flock.long.test.ts compares it with flock(1). */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { isUsageError } from '../../src/cli/exit-status.ts'
import { parseRun } from '../../src/cli/run-options.ts'
import { SLOCKET, Workplace } from '../helpers/command.ts'
import type { Ending } from '../helpers/command.ts'
import { untilWaiting } from '../helpers/lock-directory.ts'

const RUN = [...SLOCKET, 'run']
/** Says that it has the lock, and ends when the test says so. */
const HOLD = ['sh', '-c', 'echo pid $$; read line <fifo']

let place: Workplace
beforeEach(() => (place = new Workplace()))
afterEach(() => place.close())

async function runAll(...all: readonly (readonly string[])[]): Promise<Ending[]> {
  return await Promise.all(all.map((parameters) => place.run([...RUN, ...parameters])))
}

test('options may follow the lock; the command follows `--`', async () => {
  const [after, literal, hyphen] = await runAll(
    ['L1', '-n', '-w', '3', '--', 'echo', '--', '-n'],
    ['L2', '--', 'sh', '-c', 'echo "$@"', '-', '-x'],
    ['--', '-L3', '--', 'echo', 'three'],
  )
  assert.deepEqual([after?.stdout, literal?.stdout, hyphen?.stdout], ['-- -n\n', '-x\n', 'three\n'])
})

test('a command that cannot be started: 127 and 126, like in shells, and the lock is free', async () => {
  const [missing, forbidden] = await runAll(['L', '--', 'no-such-command'], ['L', '--', place.directory])
  assert.deepEqual([missing?.status, forbidden?.status], [127, 126], forbidden?.stderr)
  assert.match(missing!.stderr, /^slocket: no-such-command: not found\n$/)
  assert.match(forbidden!.stderr, /cannot be started: EACCES/)
  const others = await runAll(['L', '--', ''], ['L', '--', 'fifo/x'], ['L', '--', 'x'.repeat(300)])
  assert.deepEqual(
    others.map(({ status, stderr }) => [status, stderr.replace(/x+/, 'x')]),
    [
      [127, "slocket: '': not found\n"],
      [126, 'slocket: fifo/x: cannot be started: ENOTDIR\n'],
      [126, 'slocket: x: cannot be started: ENAMETOOLONG\n'],
    ],
  )
  assert.equal((await place.runSlocket('run', '-n', 'L', '--', 'sh', '-c', 'exit $SLOCKET_RECOVERED')).status, 0)
})

test('arguments that are not UTF-8 are an error, and are not changed', async () => {
  const line = RUN.join(' ')
  const { stdout } = await place.run([
    'bash',
    '-c',
    `${line} L -- echo $'\\xff' 2>&1; echo $?; ${line} L -- echo $'\\ufffd'`,
  ])
  assert.equal(stdout, "slocket: run: arguments must be valid UTF-8\nslocket: try 'slocket help run'\n64\n\ufffd\n")
})

test('errors name the option', async () => {
  for (const [words, message] of [
    [['-p', '0', 'L', 'true'], /-p, --permits/],
    [['-p', '3', '-s', 'L', 'true'], /-s, --shared/],
    [['--take', '2', 'L', 'true'], /--take needs -p, --permits/],
    [['-p', '3', '--take', '4', 'L', 'true'], /--take must be a whole number from 1 to 3, not '4'/],
    [['-F', 'L', 'true'], /-F, --no-fork: the lock lives in the command/],
    [['-u', 'L'], /-u, --unlock: a lock ends with its command/],
    [['--labl=x', 'L', 'true'], /--labl/],
    [['--no-fork', 'L', 'true'], /--no-fork: the lock/],
    [['-xu', 'L', 'true'], /-u, --unlock/],
    [['--unlock', '9'], /--unlock: a lock/],
    [['-n', '9'], /COMMAND is missing: a descriptor \(9\) cannot be locked/],
    [['-x', '--help'], /--help stands alone/],
    [['-xV'], /-V, --version stands alone/],
  ] as const) {
    assert.throws(
      () => parseRun(words),
      (error) => isUsageError(error) && message.test((error as Error).message),
      words.join(' '),
    )
  }
  const { status, stderr } = await place.runSlocket('run', '-p', '0', 'L', 'true')
  assert.equal(status, 64)
  assert.match(stderr, /^slocket: run: -p, --permits .*\nslocket: try 'slocket help run'\n$/)
})

test('permits: as many at once as there are', async () => {
  const holders = [1, 2].map(() => place.slocket('run', '-p', '2', 'L', '--', ...HOLD))
  await Promise.all(holders.map((holder) => holder.says(/pid/)))
  assert.equal((await place.runSlocket('run', '-n', '-p', '2', 'L', 'true')).status, 1)
  const mismatch = await place.runSlocket('run', '-s', 'L', 'true')
  assert.equal(mismatch.status, 64)
  assert.match(mismatch.stderr, /permits/)
})

test('--take: several permits at once', async () => {
  await place.slocket('run', '-p', '5', '--take', '3', 'L', '--', ...HOLD).says(/pid/)
  assert.equal((await place.runSlocket('run', '-n', '-p', '5', '--take', '3', 'L', 'true')).status, 1)
  assert.equal((await place.runSlocket('run', '-n', '-p', '5', '--take', '2', 'L', 'true')).status, 0)
  assert.equal((await place.runSlocket('run', '-n', '-p', '6', '--take', '3', 'L', 'true')).status, 0)
  assert.match((await place.runSlocket('status', 'L')).stdout, /3 of 5/)
})

test('-v reports what happens, -q prints nothing', async () => {
  await place.slocket('run', '--label', 'nightly', 'L', '--', ...HOLD).says(/pid/)
  const [busy, late, quiet] = await runAll(['-nv', 'L', 'true'], ['-v', '-w', '2', 'L', 'true'], ['-qn', 'L', 'true'])
  assert.match(busy!.stderr, /^slocket: 'L' is not free\n$/)
  assert.match(late!.stderr, /held by pid \d+ \(slocket run --label nightly L -- sh .*'nightly'\) for/)
  assert.equal(quiet!.stderr, '')
  assert.match((await place.runSlocket('run', '-v', 'other', 'true')).stderr, /^slocket: got 'other' after [\d.]+ s\n$/)
})

describe("something at the path that counts as another program's lock", () => {
  test('is reported at once, but not with -q', async () => {
    fs.writeFileSync(place.path('L'), '')
    const [busy, quiet] = await runAll(['-n', 'L', 'true'], ['-qn', 'L', 'true'])
    assert.deepEqual([busy?.status, quiet?.status, quiet?.stderr], [1, 1, ''])
    assert.match(busy!.stderr, /^slocket: 'L' is a file: .*\n$/)
    const [patient, silent] = await runAll(['-w', '1.5', 'L', 'true'], ['-q', '-w', '1.5', 'L', 'true'])
    assert.deepEqual([patient?.status, patient?.stderr], [1, busy?.stderr])
    assert.deepEqual([silent?.status, silent?.stderr], [1, ''])
    assert.match(
      (await runAll(['-v', '-w', '0', 'L', 'true']))[0]!.stderr,
      /is a file: .*\nslocket: 'L' is not free\n$/,
    )
  })

  test('is reported if the path ends in a slash', async () => {
    fs.writeFileSync(place.path('L'), '')
    assert.match((await place.runSlocket('run', '-n', 'L/', 'true')).stderr, /^slocket: 'L\/?' is a file: .*\n$/)
  })

  test('is reported when it replaces something else', async () => {
    fs.writeFileSync(place.path('fd'), '')
    // Until it looks again, it has said that it waits for a file.
    const waiter = place.slocket('run', '-v', 'fd', '--', 'echo', 'mine')
    await waiter.complains(/'fd' is a file/)
    fs.rmSync(place.path('fd'))
    assert.equal((await waiter.ended()).stdout, 'mine\n')
  })

  test('is reported when it comes later, and other warnings are not lost', async () => {
    await place.slocket('run', 'L', '--', ...HOLD).says(/pid/)
    const env = { NODE_OPTIONS: `--import=data:text/javascript,process.emitWarning('another')` }
    const waiter = place.start([...RUN, 'L', '--', 'true'], { env })
    await waiter.complains(/another/)
    await untilWaiting(place.path('L'), 1, waiter.pid)
    fs.renameSync(place.path('L'), place.path('moved'))
    fs.writeFileSync(place.path('L'), '')
    await waiter.complains(/'.*\/L' is a file/)
    fs.rmSync(place.path('L'))
    assert.equal((await waiter.ended()).status, 0)
    place.end()
  })

  test('is an error at once if it can never go away', async () => {
    for (const lock of ['/dev/null', 'fifo']) {
      const { status, stderr } = await place.runSlocket('run', lock, 'true')
      assert.equal(status, 66)
      assert.match(stderr, /is a (device|named pipe), not a lock/)
    }
  })
})

test('a lock that is removed from outside is reported, and the command continues', async () => {
  for (const lock of ['L', `${'d'.repeat(200)}/L`]) {
    fs.mkdirSync(place.path('d'.repeat(200)), { recursive: true })
    const holder = place.slocket('run', '-v', lock, '--', ...HOLD)
    await holder.says(/pid/)
    fs.rmSync(place.path(lock), { recursive: true })
    await holder.complains(/was lost/)
    place.end()
    const { status, stderr } = await holder.ended()
    assert.equal(status, 0)
    assert.equal(stderr.match(/\n/g)?.length, 2, stderr)
  }
})

test("a lock that was removed from outside is reported as lost, and the command's exit status is unchanged", async () => {
  for (const lock of ['L', `${'d'.repeat(200)}/L`]) {
    fs.mkdirSync(place.path('d'.repeat(200)), { recursive: true })
    const { status, stderr } = await place.runSlocket('run', '-v', lock, '--', 'sh', '-c', `rm -r ${lock}; exit 3`)
    assert.equal(status, 3)
    assert.match(stderr, /^slocket: got .*\nslocket: the lock '.*' was lost: its ticket was removed from outside\n$/)
  }
})
