/** `slocket run --access`: commands of several users under one lock. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { afterEach, beforeEach, test } from 'node:test'
import { SLOCKET, untilDead, Workplace } from '../helpers/command.ts'
import { untilWaiting } from '../helpers/lock-directory.ts'
import { reasonNotRoot, reasonWithout } from '../helpers/privileges.ts'
import { ANN, asUser, BEN, CAT, modeOf } from '../helpers/users.ts'

const skip = reasonNotRoot() || reasonWithout('setpriv', '--version')
/** Says that it has the lock, and ends when the test says so. */
const HOLD = ['sh', '-c', 'echo pid $$; read line <fifo']

let place: Workplace
beforeEach(() => {
  place = new Workplace()
  fs.chmodSync(place.directory, 0o1777)
  fs.chmodSync(place.path('fifo'), 0o666)
})
afterEach(() => place.close())

test('commands of several users wait in turn, and the lock lasts as long as a command runs', { skip }, async () => {
  const first = place.start([...asUser(ANN), ...SLOCKET, 'run', '--access', 'all', 'L', '--', ...HOLD])
  const [, holder] = await first.says(/pid (\d+)\n/)
  const second = place.start([
    ...asUser(BEN),
    ...SLOCKET,
    'run',
    '--access',
    'all',
    'L',
    '--',
    'sh',
    '-c',
    'echo $SLOCKET_RECOVERED',
  ])
  await untilWaiting(place.path('L'), 1)
  const { stdout } = await place.run([...asUser(CAT), ...SLOCKET, 'status', '--json', 'L'])
  const [{ held, waiting }] = JSON.parse(stdout) as [{ held: unknown[]; waiting: unknown[] }]
  assert.deepEqual([held.length, waiting.length], [1, 1])
  assert.equal((await place.run([...asUser(CAT), ...SLOCKET, 'run', '-n', '--access', 'all', 'L', 'true'])).status, 1)
  const { status, stderr } = await place.run([...asUser(BEN), ...SLOCKET, 'break', '--yes', 'L'])
  assert.deepEqual([status, /belong to another user/.test(stderr)], [71, true])
  first.kill('SIGKILL')
  await first.exited()
  assert.equal(second.hasEnded, false)
  process.kill(Number(holder), 'SIGKILL')
  await untilDead(Number(holder))
  assert.deepEqual((await second.ended()).stdout, '1\n')
  const third = await place.run([
    ...asUser(CAT),
    ...SLOCKET,
    'run',
    '--access',
    'all',
    'L',
    '--',
    'sh',
    '-c',
    'echo $SLOCKET_RECOVERED',
  ])
  assert.equal(third.stdout, '0\n')
  assert.equal(modeOf(place.path('L')), '5777')
})

test('a wrong --access is a usage error', async () => {
  for (const [parameters, complaint] of [
    [['--access', 'both', 'L', 'true'], /--access must be 'user', 'group' or 'all', not 'both'/],
    [['--access', 'all', '--engine', 'etcd://localhost:1', 'L', 'true'], /--access is for locks on this machine/],
  ] as const) {
    const { status, stderr } = await place.runSlocket('run', ...parameters)
    assert.deepEqual([status, complaint.test(stderr)], [64, true], stderr)
  }
})

test('a directory in which this user may not create anything is named', { skip }, async () => {
  fs.mkdirSync(place.path('closed'), 0o755)
  const { status, stderr } = await place.run([...asUser(ANN), ...SLOCKET, 'run', 'closed/L', 'true'])
  assert.equal(status, 66)
  assert.match(stderr, /this user may not create anything in '.*\/closed'/)
})
