import assert from 'node:assert/strict'
import fs from 'node:fs'
import { afterEach, beforeEach, test } from 'node:test'
import type { Running } from '../helpers/command.ts'
import { Workplace } from '../helpers/command.ts'
import { untilWaiting } from '../helpers/lock-directory.ts'

let place: Workplace
beforeEach(() => (place = new Workplace()))
afterEach(() => place.close())

/** Starting a process of Node takes much more than waiting; in CI there is not the time for all. */
const PROCESSES = process.env['CI'] === undefined ? 200 : 80

test(`${PROCESSES} waiting commands run one by one, and leave nothing behind`, async () => {
  await place.slocket('run', 'lock', '--', 'sh', '-c', 'echo pid $$; read line <fifo').says(/pid/)
  const script = 'read n <counter; echo $((n + 1)) >counter; read m <counter; [ $m = $((n + 1)) ] || echo two at once'
  fs.writeFileSync(place.path('counter'), '0\n')
  const waiting: Running[] = []
  // Not all at once: starting a process takes much more than waiting. The first ones wait so long that they would say so, but for -q.
  for (let count = 0; count < PROCESSES; count += 20) {
    waiting.push(...Array.from({ length: 20 }, () => place.slocket('run', '-q', 'lock', '--', 'sh', '-c', script)))
    await untilWaiting(place.path('lock'), waiting.length)
  }
  place.end()
  const endings = await Promise.all(waiting.map((one) => one.ended()))
  assert.deepEqual(
    endings.filter(({ status, stdout, stderr }) => status !== 0 || stdout !== '' || stderr !== ''),
    [],
  )
  assert.equal(fs.readFileSync(place.path('counter'), 'utf8'), `${PROCESSES}\n`)
  assert.deepEqual(fs.readdirSync(place.directory).sort(), ['counter', 'fifo'])
})
