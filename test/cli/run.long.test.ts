/** More of what a command gets from `slocket run` than run.test.ts has. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { afterEach, beforeEach, test } from 'node:test'
import { SLOCKET, Workplace } from '../helpers/command.ts'
import { ticketsIn } from '../helpers/lock-directory.ts'

const RUN = [...SLOCKET, 'run']
/** Says that it has the lock, and ends when the test says so. */
const HOLD = ['sh', '-c', 'echo pid $$; read line <fifo']

let place: Workplace
beforeEach(() => (place = new Workplace()))
afterEach(() => place.close())

test('names with spaces, newlines, unicode, quotes and hyphens', async () => {
  for (const name of [`a line\nbreak, Schloß 🔒 ñ, '"$(x)`, '-n', '--', 'x'.repeat(255)]) {
    const holder = place.slocket('run', '--', name, '--', ...HOLD)
    await holder.says(/pid/)
    assert.equal(ticketsIn(place.path(name)).length, 1, name)
    assert.equal((await place.runSlocket('run', '-n', '--', name, 'true')).status, 1, name)
    place.end()
    assert.equal((await holder.ended()).status, 0)
  }
})

test('descriptors that a shell opens for the command reach it', async () => {
  const line = RUN.map((word) => `'${word}'`).join(' ')
  const script = `
    ${line} L -- cat /dev/fd/3 3<given
    ${line} L -- cat <(echo 'a substitution') /dev/fd/4 4< <(echo 'a pipe')
    ${line} L -- sh -c 'echo "to five" >&5' 5>written 6>/dev/null
    ${line} L -- ${line} M -- sh -c 'echo "to seven" >&7' 7>>written
    echo input | ${line} L -- sh -c 'read line; echo "$line"; echo error >&2' 2>>written
    (exec 8<> <(:) && exec 6</dev/fd/8 7>/dev/fd/8 8>&- && ${line} L -- sh -c 'echo both ends >&7; read line <&6; echo $line'; true)
    ${line} L -- sh -c 'for fd in /proc/self/fd/*; do readlink $fd; done' | grep -c anon_inode`
  fs.writeFileSync(place.path('given'), 'a file\n')
  const { stdout, stderr } = await place.run(['bash', '-c', script])
  assert.equal(stdout, 'a file\na substitution\na pipe\ninput\nboth ends\n0\n')
  assert.equal(stderr, '')
  assert.equal(fs.readFileSync(place.path('written'), 'utf8'), 'to five\nto seven\nerror\n')
})

test("does not make the command's pipes non-blocking", async () => {
  const flags = `sed -n 's/^flags://p' /proc/self/fdinfo/0 /proc/self/fdinfo/1 /proc/self/fdinfo/2`
  const direct = await place.run(['bash', '-c', `: | { cat | ${flags} | cat; } 2>&1 | cat`])
  const under = await place.run([
    'bash',
    '-c',
    `: | { cat | ${RUN.join(' ')} -v L -- ${flags} 2> >(cat >/dev/null) | cat; } 2>&1 | cat`,
  ])
  assert.match(direct.stdout, /^(\s+0[0-7]*\n)+$/)
  const isNonBlocking = (text: string): boolean[] =>
    text
      .trim()
      .split(/\s+/)
      .map((octal) => (parseInt(octal, 8) & 0o4000) !== 0)
  assert.deepEqual(isNonBlocking(under.stdout), [false, false, false])
})

test('nor when others query the holder while the command runs', async () => {
  const holder = place.slocket('run', 'L', '--', ...HOLD)
  const [, pid] = await holder.says(/pid (\d+)/)
  // The second one is answered after the first one's connection has been seen to end.
  for (let times = 0; times < 2; times += 1) await place.runSlocket('status', 'L')
  const flags = [0, 1, 2].map(
    (fd) => /^flags:\s*([0-7]+)$/m.exec(fs.readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8'))![1]!,
  )
  assert.deepEqual(
    flags.map((octal) => parseInt(octal, 8) & fs.constants.O_NONBLOCK),
    [0, 0, 0],
  )
  place.end()
  await holder.ended()
})
