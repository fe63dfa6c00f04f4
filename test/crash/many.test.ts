/** Many who connect to a holder whose event loop stands still, up to and beyond the kernel's backlog: R10. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import type { Party } from '../helpers/party.ts'
import { ticketsIn, untilWaiting } from '../helpers/lock-directory.ts'
import { scenario } from '../helpers/scenario.ts'
import { until } from '../helpers/until.ts'

const PROCESSES = 8
const THREADS_EACH = 5
const FLOODERS = 6

/** What the kernel cuts every backlog to. */
const MOST_PENDING = Number(fs.readFileSync('/proc/sys/net/core/somaxconn', 'utf8'))
const skip = MOST_PENDING > 4096 ? `net.core.somaxconn is ${MOST_PENDING}: too many to fill up` : false

const LOADS = [
  { name: '600 connections', count: 600, isFull: false },
  { name: 'more connections than the kernel keeps', count: MOST_PENDING + 300, isFull: true },
]

for (const { name, count, isFull } of LOADS) {
  const title = `with ${name} pending to a stopped holder, ${PROCESSES * THREADS_EACH} who wait have their turn in order (R10)`
  scenario(title, { skip: isFull ? skip : false }, async (scene) => {
    const names = Array.from({ length: PROCESSES }, (_, index) => `waiter ${index}`)
    const [holder, ...flooders] = await scene.spawnAll(
      'holder',
      ...Array.from({ length: FLOODERS }, (_, index) => `flooder ${index}`),
    )
    const clients = await Promise.all(names.map((one) => scene.spawn(one)))
    const threads = Array.from({ length: THREADS_EACH }, (_, index) => String(index))
    const workers = await Promise.all(
      clients.flatMap((client) => threads.map((thread) => client.startWorker('thread', thread))),
    )
    const order = names.flatMap((one) => threads.map((thread) => `${one}/${thread}`))

    await holder.acquire(scene.path)
    await holder.stop()
    const ticket = join(scene.path, ticketsIn(scene.path)[0]!.name)
    for (const flooder of flooders) flooder.send({ do: 'flood', path: ticket, count: Math.ceil(count / FLOODERS) })
    const connected = await Promise.all(flooders.map(async (flooder) => (await flooder.next('flooded')).count!))
    const sum = connected.reduce((total, some) => total + some)
    assert.equal(sum < count, isFull, `${sum} of ${count} connected`)

    await enqueueAll(scene.path, workers)
    assert.equal(await clients[0]!.try(scene.path), false)
    holder.continue()
    await holder.release()
    for (const worker of workers) {
      await worker.next('granted')
      await worker.release()
    }
    assert.deepEqual(scene.journal.order(), ['holder', ...order])
  })
}

/** Each joins after the one before. With a full backlog they cannot connect, and so do not mark their tickets. */
async function enqueueAll(path: string, parties: readonly Party[]): Promise<void> {
  for (const [index, party] of parties.entries()) {
    party.send({ do: 'acquire', path, options: { linger: 0 } })
    await until(`${index + 1} stand in the queue`, () => ticketsIn(path).length >= index + 2)
    // It may have been seen in the middle of joining, which is done in one tick.
    await party.ping()
  }
}

scenario(
  'three hundred requests of one process and three hundred of another stand by few tickets, and all have their turn',
  async (scene) => {
    const [holder, a, b] = await scene.spawnAll('holder', 'a', 'b')
    await holder.acquire(scene.path)
    const handles = Array.from({ length: 300 }, (_, index) => String(index))
    for (const [index, client] of [a, b].entries()) {
      client.send(...handles.map((as) => ({ do: 'acquire' as const, path: scene.path, as })))
      await untilWaiting(scene.path, index + 1)
    }
    assert.equal(ticketsIn(scene.path).length, 3)
    await holder.release()
    for (const client of [a, b]) {
      for (const as of handles) {
        await client.next('granted', as)
        await client.release(as)
      }
    }
  },
)
