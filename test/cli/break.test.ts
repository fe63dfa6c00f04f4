/** `slocket break`. break.long.test.ts has more. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { SLOCKET, Workplace } from '../helpers/command.ts'
import type { Running } from '../helpers/command.ts'
import { ticketsIn, untilWaiting } from '../helpers/lock-directory.ts'

const HOLD = ['sh', '-c', 'echo pid $$; read line <fifo']

let place: Workplace
beforeEach(() => (place = new Workplace()))
afterEach(() => place.close())

async function hold(...parameters: string[]): Promise<[Running, number]> {
  const holder = place.slocket('run', ...parameters, '--', ...HOLD)
  return [holder, Number((await holder.says(/pid (\d+)/))[1])]
}

describe('slocket break', () => {
  test('takes the lock from the holders that it shows, and the next waiter gets it', async () => {
    const [holder, command] = await hold('--label', 'nightly', 'L')
    const next = place.slocket('run', 'L', '--', 'echo', 'mine')
    await untilWaiting(place.path('L'), 1, next.pid)
    const refused = await place.run(['sh', '-c', `echo no | ${SLOCKET.join(' ')} break L`])
    assert.deepEqual([refused.status, ticketsIn(place.path('L')).length], [1, 2])
    const accepted = await place.run(['sh', '-c', `echo yes | ${SLOCKET.join(' ')} break L`])
    assert.equal(accepted.status, 0)
    assert.match(accepted.stdout, new RegExp(`pid ${holder.pid}: exclusive; nightly; .*slocket run`))
    assert.match(accepted.stdout, /1 waiting/)
    assert.equal((await next.ended()).stdout, 'mine\n')
    await holder.complains(/was lost/)
    place.end()
    assert.ok(command > 0)
    assert.equal((await holder.ended()).status, 0)
  })

  test('takes nothing from a holder that came while it asked', async () => {
    await hold('L')
    const asking = place.slocket('break', 'L')
    await asking.says(/Take it away/)
    const next = place.slocket('run', 'L', '--', 'sh', '-c', 'echo pid $$; read line <fifo')
    await untilWaiting(place.path('L'), 1, next.pid)
    place.end()
    await next.says(/pid/)
    asking.type('yes\n')
    assert.equal((await asking.ended()).status, 0)
    assert.equal((await place.runSlocket('run', '-n', 'L', 'true')).status, 1)
  })

  test('does not ask with --yes, and breaks nothing if nobody holds', async () => {
    await hold('-s', 'L')
    await hold('-s', 'L')
    const silent = await place.run(['sh', '-c', `${SLOCKET.join(' ')} break L </dev/null`])
    assert.equal(silent.status, 64)
    assert.equal((await place.runSlocket('break', '--yes', 'L')).status, 0)
    assert.deepEqual(ticketsIn(place.path('L')), [])
    const { status, stderr } = await place.runSlocket('break', '--yes', 'nothing')
    assert.deepEqual([status, stderr], [1, "slocket: nobody holds 'nothing'\n"])
    // Both: one reads the line, the other one the end of the file.
    place.end()
  })
})
