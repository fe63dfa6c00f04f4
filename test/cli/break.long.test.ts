/** More of `slocket break` than break.test.ts has. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { slocket } from '../../src/index.ts'
import { SLOCKET, Workplace } from '../helpers/command.ts'
import type { Running } from '../helpers/command.ts'
import { ticketsIn, untilWaiting } from '../helpers/lock-directory.ts'
import { untilStopped } from '../helpers/proc.ts'
import { reasonWithout } from '../helpers/privileges.ts'

const HOLD = ['sh', '-c', 'echo pid $$; read line <fifo']

/** No process checks the queue at intervals, so only notifications make a difference. */
const NO_CLOCK =
  'data:text/javascript,' +
  encodeURIComponent(`
    import timers from 'node:timers'
    import { syncBuiltinESMExports } from 'node:module'
    for (const name of ['setTimeout', 'setInterval']) {
      const start = timers[name]
      timers[name] = (call, ms, ...rest) => start(call, ms >= 1000 ? 2 ** 30 : ms, ...rest)
    }
    syncBuiltinESMExports()`)

const AS_NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']

let place: Workplace
beforeEach(() => (place = new Workplace()))
afterEach(() => place.close())

async function hold(...parameters: string[]): Promise<[Running, number]> {
  const holder = place.slocket('run', ...parameters, '--', ...HOLD)
  return [holder, Number((await holder.says(/pid (\d+)/))[1])]
}

describe('slocket break', () => {
  test('takes nothing from a later holder with the same ticket', async () => {
    const lock = place.path('L')
    const first = await slocket(lock, { label: 'job 1' })
    const second = slocket(lock, { label: 'job 2' })
    const asking = place.slocket('break', 'L')
    await asking.says(/job 1[^]*Take it away/)
    await first.release()
    const held = await second
    asking.type('yes\n')
    assert.equal((await asking.ended()).status, 0)
    assert.equal(held.held, true)
    await held.release()
  })

  for (const isStopped of [false, true]) {
    test(`notifies all affected processes at once${isStopped ? ', even if the holder is stopped' : ''}`, async () => {
      const env = { NODE_OPTIONS: `--import=${NO_CLOCK}` }
      const holder = place.start([...SLOCKET, 'run', 'L', '--', ...HOLD], { env })
      await holder.says(/pid/)
      const next = place.start([...SLOCKET, 'run', 'L', '--', 'echo', 'mine'], { env })
      await untilWaiting(place.path('L'), 1, next.pid)
      if (isStopped) {
        holder.kill('SIGSTOP')
        await untilStopped(holder.pid)
      }
      assert.equal((await place.runSlocket('break', '--yes', 'L')).status, 0)
      assert.equal((await next.ended()).stdout, 'mine\n')
      if (isStopped) holder.kill('SIGCONT')
      await holder.complains(/was lost/)
      place.end()
      await holder.ended()
    })
  }

  test('accepts only yes as a yes', async () => {
    await hold('L')
    for (const answer of [String.raw`y\n`, String.raw`yes please\n`, String.raw`\n`, '']) {
      const { status } = await place.run(['sh', '-c', `printf "$1" | ${SLOCKET.join(' ')} break L`, '-', answer])
      assert.deepEqual([answer, status, ticketsIn(place.path('L')).length], [answer, 1, 1])
    }
    assert.equal((await place.runSlocket('break', '--yes', 'L', 'M')).status, 64)
  })

  test('shows the process that keeps the lock after a `slocket run` was killed', async () => {
    const [holder, command] = await hold('L')
    holder.kill('SIGKILL')
    await holder.exited()
    const { status, stdout } = await place.runSlocket('break', '--yes', 'L')
    assert.equal(status, 0)
    assert.match(stdout, new RegExp(`^pid ${holder.pid}: exclusive;.* pid ${command} has its socket: sh -c`))
    assert.equal((await place.runSlocket('run', '-n', 'L', 'true')).status, 0)
  })

  test(
    'reports missing permissions',
    { skip: reasonWithout(AS_NOBODY[0]!, ...AS_NOBODY.slice(1), ...SLOCKET, '--version') },
    async () => {
      await hold('L')
      fs.chmodSync(place.directory, 0o755)
      const { status, stderr } = await place.run([...AS_NOBODY, ...SLOCKET, 'break', '--yes', 'L'])
      assert.equal(status, 71)
      assert.match(stderr, /1 of 1 holders of the lock .* cannot be taken away/)
      assert.equal((await place.runSlocket('run', '-n', 'L', 'true')).status, 1)
      place.end()
    },
  )
})
