/** Signals: to `slocket run` alone, and from a terminal. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { afterEach, beforeEach, describe, test } from 'node:test'
import type { Running } from '../helpers/command.ts'
import { SLOCKET, UNTIL_INPUT, Workplace } from '../helpers/command.ts'
import { ticketsIn, untilWaiting } from '../helpers/lock-directory.ts'
import { reasonWithout } from '../helpers/privileges.ts'
import { isStopped } from '../helpers/proc.ts'
import { until } from '../helpers/until.ts'

const HOLD = ['sh', '-c', 'echo pid $$; read line <fifo']
/** A root that may not send signals to others, and another user. */
const WITHOUT_KILL = ['setpriv', '--bounding-set=-kill', '--inh-caps=-kill']
const AS_NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
const NOBODY = 'echo pid $$; read line; exit 5'
const cannotChangeUser = reasonWithout(WITHOUT_KILL[0]!, ...WITHOUT_KILL.slice(1), ...AS_NOBODY, 'true')
const LINE = [...SLOCKET, 'run'].join(' ')
const CTRL_C = '\u{3}'
const CTRL_Z = '\u{1a}'

let place: Workplace
beforeEach(() => (place = new Workplace()))
afterEach(() => place.close())

describe('a signal to `slocket run`', () => {
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const) {
    test(`${signal} is passed on to the command, which may ignore it`, async () => {
      const name = signal.slice('SIG'.length)
      const holder = place.slocket(
        'run',
        'L',
        '--',
        'bash',
        '-c',
        `trap 'echo got; exit 5' ${name}; echo pid $$; ${UNTIL_INPUT}`,
      )
      await holder.says(/pid/)
      holder.kill(signal)
      const { status, stdout } = await holder.ended()
      assert.equal(status, 5)
      assert.match(stdout, /got/)
      assert.deepEqual(ticketsIn(place.path('L')), [])
    })
  }

  test('that kills the command: 128 plus its number', async () => {
    const holder = place.slocket('run', 'L', '--', ...HOLD)
    await holder.says(/pid/)
    holder.kill('SIGTERM')
    const { status, signal } = await holder.ended()
    assert.deepEqual({ status, signal }, { status: 128 + 15, signal: null })
  })

  test('a real-time signal that ends the command counts as exit code 0, as in Node', async () => {
    const line = ['sh', '-c', 'kill -34 $$']
    const { status, signal } = await place.run(line)
    const under = await place.slocket('run', 'L', '--', ...line).ended()
    assert.deepEqual([under.status, under.signal], [status, signal])
    assert.deepEqual([status, signal], [0, null])
  })

  test(
    'that it may not send (the command is another user by now) changes nothing',
    { skip: cannotChangeUser },
    async () => {
      const holder = place.start([
        ...WITHOUT_KILL,
        ...SLOCKET,
        'run',
        '-o',
        'L',
        '--',
        ...AS_NOBODY,
        'sh',
        '-c',
        NOBODY,
      ])
      await holder.says(/pid/)
      for (const [nth, signal] of (['SIGTERM', 'SIGHUP'] as const).entries()) {
        holder.kill(signal)
        await holder.complains(new RegExp(`(a signal cannot be passed on to setpriv: EPERM\\n.*){${nth + 1}}`, 's'))
      }
      assert.equal((await place.runSlocket('run', '-n', 'L', 'true')).status, 1)
      holder.type('end\n')
      assert.equal((await holder.ended()).status, 5)
      assert.equal((await place.runSlocket('run', '-n', 'L', 'true')).status, 0)
    },
  )

  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    test(`${signal} ends its wait, and its ticket leaves the queue`, async () => {
      await place.slocket('run', 'L', '--', ...HOLD).says(/pid/)
      const waiter = place.slocket('run', 'L', '--', 'echo', 'mine')
      await untilWaiting(place.path('L'), 1, waiter.pid)
      waiter.kill(signal)
      const ending = await waiter.ended()
      assert.deepEqual([ending.status, ending.signal, ending.stdout], [null, signal, ''])
      assert.equal(ticketsIn(place.path('L')).length, 1)
    })
  }

  test('that ends its wait leaves nothing behind once the waiters behind it have gone', async () => {
    const holder = place.slocket('run', 'L', '--', ...HOLD)
    await holder.says(/pid/)
    const waiter = place.slocket('run', 'L', '--', 'true')
    await untilWaiting(place.path('L'), 1, waiter.pid)
    const last = place.slocket('run', 'L', '--', 'true')
    await untilWaiting(place.path('L'), 1, last.pid)
    waiter.kill('SIGTERM')
    await waiter.ended()
    fs.writeFileSync(place.path('fifo'), '\n')
    assert.equal((await holder.ended()).status, 0)
    assert.equal((await last.ended()).status, 0)
    assert.ok(!fs.existsSync(place.path('L')))
  })
})

describe('at a terminal', { skip: reasonWithout('script', '-qec', 'true', '/dev/null') }, () => {
  function atTerminal(line: string): Running {
    return place.start(['script', '-qec', line, '/dev/null'], { env: { SHELL: '/bin/bash', TERM: 'xterm' } })
  }

  test('ctrl-C reaches the command once; `slocket run` waits for the command', async () => {
    const terminal = atTerminal(`${LINE} L -- bash -c 'trap "echo got" INT; echo pid $$; ${UNTIL_INPUT}; exit 5'`)
    await terminal.says(/pid \d+/)
    terminal.type(CTRL_C)
    await terminal.says(/got/)
    assert.equal(ticketsIn(place.path('L')).length, 1)
    place.end()
    const { status, stdout } = await terminal.ended()
    assert.equal(status, 5)
    assert.equal(stdout.match(/got/g)?.length, 1)
  })

  test('ctrl-C that ends the command ends its script', async () => {
    // Not `read`: interrupted while it opens a pipe, dash now and then exits instead of dying.
    const script = 'echo pid $$; exec cat fifo'
    const terminal = atTerminal(`bash -c "${LINE} L -- sh -c '${script.replaceAll('$', String.raw`\$`)}'; echo after"`)
    await terminal.says(/pid \d+/)
    terminal.type(CTRL_C)
    const { stdout } = await terminal.ended()
    assert.doesNotMatch(stdout, /after/)
    const next = await place.runSlocket('run', '-n', 'L', '--', 'sh', '-c', 'echo $SLOCKET_RECOVERED')
    assert.equal(next.stdout, '1\n')
    assert.equal(fs.existsSync(place.path('L')), false)
  })

  test('ctrl-Z stops both, and fg continues both', async () => {
    const terminal = atTerminal('bash --norc --noprofile -i')
    terminal.type(`${LINE} L -- sh -c 'echo pi""d $$; read line <fifo; echo do""ne'; echo "status"" $?"\n`)
    const command = Number((await terminal.says(/pid (\d+)/))[1])
    const [ticket] = ticketsIn(place.path('L'))
    terminal.type(CTRL_Z)
    await terminal.says(/Stopped/)
    await until('both are stopped', () => isStopped(command) && isStopped(ticket!.pid))
    terminal.type('fg\n')
    await until('both go on', () => !isStopped(command) && !isStopped(ticket!.pid))
    place.end()
    await terminal.says(/done/)
    await terminal.says(/status \d+/)
    terminal.type('exit\n')
    await terminal.ended()
  })

  test('a long wait is shown in one line, which disappears when the command runs', async () => {
    const holder = place.slocket('run', '--label', 'nightly', 'L', '--', ...HOLD)
    await holder.says(/pid/)
    const second = place.slocket('run', 'L', '--', 'true')
    await untilWaiting(place.path('L'), 1, second.pid)
    const terminal = atTerminal(`stty columns 200; ${LINE} L -- echo mine`)
    await terminal.says(
      new RegExp(
        `waiting for 'L', held by pid ${holder.pid} \\(nightly: slocket run .*\\) for \\d+ s; 1 waiting ahead`,
      ),
    )
    place.end()
    const { stdout } = await terminal.ended()
    assert.ok(stdout.endsWith('\r\u{1b}[Kmine\r\n'), stdout)
    assert.doesNotMatch(stdout, /ahead[^]*\n[^]*waiting/)
  })

  test('nothing is shown with -q, or if the wait is short', async () => {
    const holder = place.slocket('run', 'L', '--', ...HOLD)
    await holder.says(/pid/)
    const quiet = atTerminal(`${LINE} -q -w 1.5 L -- echo mine`)
    assert.deepEqual([(await quiet.ended()).status, quiet.stdout], [1, ''])
    const soon = atTerminal(`${LINE} -w 0.1 L -- echo mine`)
    assert.deepEqual([(await soon.ended()).status, soon.stdout], [1, ''])
  })

  test("the command's terminal settings stay", async () => {
    const terminal = atTerminal(`stty echo; ${LINE} L -- stty -echo; stty -a`)
    const { stdout } = await terminal.ended()
    assert.match(stdout, / -echo /)
  })
})
