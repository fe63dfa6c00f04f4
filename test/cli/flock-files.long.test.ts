/** More of what can be locked as flock(1) does it, of what cannot, and of what is said, than flock.test.ts has. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { SLOCKET, Workplace } from '../helpers/command.ts'
import type { Ending } from '../helpers/command.ts'
import { until } from '../helpers/until.ts'

const HOLD = ['sh', '-c', 'echo pid $$; read line <fifo']

let place: Workplace
beforeEach(() => (place = new Workplace()))
afterEach(() => place.close())

async function flock(...words: readonly string[]): Promise<Ending> {
  return await place.run([...SLOCKET, 'flock', ...words])
}

describe('the lock of a file', () => {
  test('may be a directory, the script itself, or a pipe', async () => {
    fs.mkdirSync(place.path('d'))
    for (const target of ['d', 'd/', 'd/.', 'fifo']) {
      const { status, stdout, stderr } = await flock(target, 'echo', 'mine')
      assert.deepEqual([status, stdout, stderr], [0, 'mine\n', ''], target)
    }
    const script = `#!/bin/sh
[ "$FLOCKER" != "$0" ] && exec env FLOCKER="$0" ${SLOCKET.join(' ')} flock -en "$0" "$0" "$@"
echo alone $1
`
    fs.writeFileSync(place.path('job'), script, { mode: 0o755 })
    assert.equal((await place.run([place.path('job'), 'x'])).stdout, 'alone x\n')
  })

  test('is refused if it cannot be locked', async () => {
    await place.slocket('run', 'R', '--', ...HOLD).says(/pid/)
    for (const [words, status, complaint] of [
      [['R', 'true'], 66, /'R' is a lock of 'slocket run'/],
      [['/', 'true'], 66, /no place beside '\/'/],
      [['missing/L', 'true'], 66, /parent directory does not exist/],
      [['fifo/L', 'true'], 66, /not a directory/],
      [['', 'true'], 66, /cannot open ''/],
    ] as const) {
      const ending = await flock(...words)
      assert.deepEqual([ending.status, complaint.test(ending.stderr)], [status, true], ending.stderr)
    }
    place.end()
  })

  test('is the same by all names of the file', async () => {
    fs.mkdirSync(place.path('d'))
    fs.symlinkSync('../file', place.path('d/link'))
    fs.symlinkSync('d', place.path('e'))
    const holder = place.slocket('flock', 'file', ...HOLD)
    await holder.says(/pid/)
    for (const name of ['file', './file', place.path('file'), 'd/link', 'e/link', 'd/../file'])
      assert.equal((await flock('-n', name, 'true')).status, 1, name)
    assert.equal((await place.runSlocket('run', '-n', 'file.lock', 'true')).status, 1)
    assert.equal((await flock('-n', 'other', 'true')).status, 0)
    place.end()
    await holder.ended()
  })

  test('of a dangling link is the same before and after the target exists', async () => {
    fs.symlinkSync('target', place.path('link'))
    const holder = place.slocket('flock', 'link', ...HOLD)
    await holder.says(/pid/)
    assert.equal((await flock('-n', 'target', 'true')).status, 1)
    place.end()
    await holder.ended()
  })
})

test('works the same through a link named flock', async () => {
  fs.symlinkSync(SLOCKET[1]!, place.path('flock'))
  const asFlock = [SLOCKET[0]!, place.path('flock')]
  const holder = place.start([...asFlock, 'F', ...HOLD])
  await holder.says(/pid/)
  assert.equal((await place.run([...asFlock, '-n', '-E', '3', 'F', 'true'])).status, 3)
  assert.equal((await flock('-n', 'F', 'true')).status, 1)
  // On a busy machine the holder may take longer to answer than it is waited for.
  await until('its command is shown', async () =>
    (await place.runSlocket('status', '--json')).stdout.includes('"slocket flock F sh -c'),
  )
  place.end()
  await holder.ended()
  assert.match((await place.run([...asFlock, '--version'])).stdout, /^slocket \d/)
  assert.match((await place.run([...asFlock, '-h'])).stdout, /^usage: slocket flock/)
  // Not taken for a command of slocket.
  assert.equal((await place.run([...asFlock, 'status', 'echo', 'mine'])).stdout, 'mine\n')
})

test('a command that cannot be started is 69, as with flock', async () => {
  assert.deepEqual([(await flock('F', 'no-such-command')).status, (await flock('F', place.directory)).status], [69, 69])
  assert.equal((await flock('F', 'sh', '-c', 'exit 127')).status, 127)
})

test("--verbose says why it failed to get the lock, in flock's words", async () => {
  const holder = place.slocket('flock', 'F', ...HOLD)
  await holder.says(/pid/)
  for (const [options, words] of [
    [['-n'], 'flock: failed to get lock\n'],
    [['-w', '0'], 'flock: failed to get lock\n'],
    [['-w', '0.05'], 'flock: timeout while waiting to get lock\n'],
  ] as const) {
    const { status, stdout, stderr } = await flock('--verbose', ...options, 'F', 'true')
    assert.deepEqual([status, stdout, stderr], [1, '', words], options.join(' '))
  }
  place.end()
  await holder.ended()
})

test('--verbose says on standard output how long it took', async () => {
  const { stdout, stderr } = await flock('--verbose', 'F', 'echo', 'mine')
  assert.match(stdout, /^flock: getting lock took \d+\.\d{6} seconds\nflock: executing echo\nmine\n$/)
  assert.equal(stderr, '')
})
