/** Cleaners of temporary directories remove what has not been touched for some days. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { mock, test } from 'node:test'
import { QueueDirectory } from '../../src/engines/local/directory.ts'
import { makeParent } from '../api/run-child.ts'
import { ticketsIn } from '../helpers/lock-directory.ts'
import { scenario } from '../helpers/scenario.ts'
import { until } from '../helpers/until.ts'

const QUICK_WATCH = { preload: new URL('../fixtures/quick-watch.js', import.meta.url).href }
const LONG_AGO = new Date(0)

test('a ticket is touched by the real clock, even while a test fakes it', () => {
  const { lockPath, dispose } = makeParent()
  fs.mkdirSync(lockPath)
  fs.writeFileSync(join(lockPath, 'ticket'), '')
  mock.timers.enable({ apis: ['Date'], now: 0 })
  try {
    new QueueDirectory(lockPath).touch('ticket')
  } finally {
    mock.timers.reset()
  }
  assert.ok(fs.statSync(join(lockPath, 'ticket')).mtimeMs > Date.now() - 60_000)
  dispose()
})

scenario('holders and waiters touch their tickets again and again', async (scene) => {
  const [holder, waiter] = await Promise.all([scene.spawn('holder', QUICK_WATCH), scene.spawn('waiter', QUICK_WATCH)])
  await holder.acquire(scene.path)
  await waiter.enqueue(scene.path)
  const tickets = ticketsIn(scene.path).map(({ name }) => join(scene.path, name))
  assert.equal(tickets.length, 2)
  for (const time of ['first', 'second']) {
    for (const ticket of tickets) fs.lutimesSync(ticket, LONG_AGO, LONG_AGO)
    await until(`all are touched for the ${time} time`, () =>
      tickets.every((ticket) => fs.lstatSync(ticket).mtimeMs > LONG_AGO.getTime()),
    )
  }
  await holder.release()
  await waiter.next('granted')
  fs.lutimesSync(tickets[1]!, LONG_AGO, LONG_AGO)
  await until('the one that holds now is touched', () => fs.lstatSync(tickets[1]!).mtimeMs > LONG_AGO.getTime())
})
