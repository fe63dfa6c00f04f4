/** `slocket flock`: the command line of flock(1). flock.long.test.ts compares it with that, if it is there. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { parseFlock } from '../../src/cli/flock-options.ts'
import type { Ending } from '../helpers/command.ts'
import { SLOCKET, Workplace } from '../helpers/command.ts'
import { ticketsIn, untilWaiting } from '../helpers/lock-directory.ts'

/** Says that it has the lock, and ends when the test says so. */
const HOLD = ['sh', '-c', 'echo pid $$; read line <fifo']

let place: Workplace
beforeEach(() => (place = new Workplace()))
afterEach(() => place.close())

async function flock(...words: readonly string[]): Promise<Ending> {
  return await place.run([...SLOCKET, 'flock', ...words])
}

test('passes the flock tests of util-linux', async () => {
  const holder = place.slocket('flock', '--shared', 'lockfile', ...HOLD)
  await holder.says(/pid/)
  const conflict = ['--nonblock', '--conflict-exit-code', '123']
  for (const words of [conflict, ['--no-fork', ...conflict], ['--nonblock', '--exclusive', ...conflict.slice(1)]]) {
    const { status, stdout, stderr } = await flock(...words, 'lockfile', 'echo', 'never said')
    assert.deepEqual([status, stdout, stderr], [123, '', ''], words.join(' '))
  }
  const shared = await flock('--shared', 'lockfile', 'echo', 'shared')
  assert.deepEqual([shared.status, shared.stdout], [0, 'shared\n'])
  const waiter = place.slocket('flock', '--timeout', '50', '--conflict-exit-code', '5', 'lockfile', 'echo', 'waited')
  await untilWaiting(place.path('lockfile.lock'), 1, waiter.pid)
  place.end()
  assert.equal((await holder.ended()).status, 0)
  const { status, stdout } = await waiter.ended()
  assert.deepEqual([status, stdout], [0, 'waited\n'])
})

describe('the lock of a file', () => {
  test('is beside the file, which is created, kept, and never written', async () => {
    fs.writeFileSync(place.path('data'), 'content')
    for (const file of ['data', 'new']) {
      const holder = place.slocket('flock', file, ...HOLD)
      await holder.says(/pid/)
      assert.equal(ticketsIn(place.path(`${file}.lock`)).length, 1)
      place.end()
      await holder.ended()
    }
    assert.deepEqual(fs.readdirSync(place.directory), ['data', 'fifo', 'new'])
    assert.deepEqual([fs.readFileSync(place.path('data'), 'utf8'), fs.statSync(place.path('new')).size], ['content', 0])
  })

  // flock-files.long.test.ts has more that is refused, and that is not.
  test('is an error for a lock of `slocket run`', async () => {
    await place.slocket('run', 'R', '--', ...HOLD).says(/pid/)
    const { status, stderr } = await flock('R', 'true')
    assert.equal(status, 66)
    assert.match(stderr, /'R' is a lock of 'slocket run'/)
    place.end()
  })
})

describe('a descriptor', () => {
  test('is an error that says what to write instead', async () => {
    const { status, stdout, stderr } = await place.run([
      'bash',
      '-c',
      `exec 9>file; ${SLOCKET.join(' ')} flock -n 9 && echo went on; ls`,
    ])
    assert.deepEqual([status, stdout], [0, 'fifo\nfile\n'])
    assert.match(
      stderr,
      /a file descriptor \(9\) cannot be locked, and nothing is locked now: write 'slocket hold LOCK/,
    )
    const unlock = await flock('-u', '9')
    assert.equal(unlock.status, 64)
    assert.match(unlock.stderr, /slocket release LOCK/)
  })

  test('counts as a file name if a command follows', async () => {
    assert.equal((await flock('9', 'echo', 'mine')).stdout, 'mine\n')
    assert.deepEqual(fs.readdirSync(place.directory), ['9', 'fifo'])
  })
})

test('-u runs the command without the lock, and takes it from nobody', async () => {
  const holder = place.slocket('flock', 'F', ...HOLD)
  await holder.says(/pid/)
  const { status, stdout } = await flock('-u', 'F', 'sh', '-c', 'echo unlocked; exit 4')
  assert.deepEqual([status, stdout], [4, 'unlocked\n'])
  assert.equal((await flock('-n', 'F', 'true')).status, 1)
  place.end()
  await holder.ended()
})

describe('the command line', () => {
  const asked = (...words: string[]): object => parseFlock(words) as object
  const COMMAND = ['F', 'true']

  test('is parsed like GNU getopt does', () => {
    for (const [words, expected] of [
      [['-sn'], { isShared: true, isTry: true }],
      [['-s', '-x'], { isShared: false }],
      [['-ex', '-s'], { isShared: true }],
      [['-w3'], { timeoutMs: 3000 }],
      [['-sw', '.5'], { isShared: true, timeoutMs: 500 }],
      [['--wait=0'], { isTry: true }],
      [['--timeout', '2', '--wait', '3'], { timeoutMs: 3000 }],
      [['--tim', '2'], { timeoutMs: 2000 }],
      [['--nonb'], { isTry: true }],
      [['--nb'], { isTry: true }],
      [['--excl', '--sh'], { isShared: true }],
      [['--conf=9'], { conflictStatus: 9 }],
      [['-E7'], { conflictStatus: 7 }],
      [['--cl'], { isClosed: true }],
      [['--no-f', '--verb'], { isVerbose: true }],
      [['--'], { file: 'F' }],
    ] as const)
      assert.deepEqual({ ...asked(...words, ...COMMAND), ...expected }, asked(...words, ...COMMAND), words.join(' '))
    assert.deepEqual((asked('F', '-n', '-x') as { command: string[] }).command, ['-n', '-x'])
    assert.deepEqual((asked('--', '-F', 'true') as { file: string }).file, '-F')
    assert.deepEqual((asked('F', '--command', 'a b') as { command: string[] }).command.slice(1), ['-c', 'a b'])
    assert.deepEqual([parseFlock(['-x', '--help']), parseFlock(['-V', '9'])], ['help', 'version'])
  })

  test('is refused if flock refuses it, or if it means locks of another kind', () => {
    for (const [words, complaint] of [
      [[], /FILE is missing/],
      [['F'], /COMMAND is missing/],
      [['F', '-c'], /takes one shell line/],
      [['F', '-c', 'true', 'false'], /takes one shell line/],
      [['-Z', ...COMMAND], /unknown option '-Z'/],
      [['-c', 'true', 'F'], /unknown option '-c'/],
      [['--no', ...COMMAND], /may be --nonblocking or --no-fork/],
      [['--nope', ...COMMAND], /unknown option '--nope'/],
      [['--shared=1', ...COMMAND], /takes no value/],
      [['-w'], /'-w' takes a value/],
      [['-w', 'soon', ...COMMAND], /-w, --timeout must be/],
      [['-E', '300', ...COMMAND], /-E, --conflict-exit-code/],
      [['-oF', ...COMMAND], /exclude each other/],
      [['--fcntl', ...COMMAND], /only one kind of lock/],
      [['--start', '1', ...COMMAND], /only one kind of lock/],
    ] as const)
      assert.throws(() => parseFlock([...words]), complaint, words.join(' '))
  })
})
