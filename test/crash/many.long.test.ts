/** Many who connect to a holder whose event loop stands still, up to and beyond the kernel's backlog: R10. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import slocket from '../../src/index.ts'
import type { Client } from '../helpers/client.ts'
import type { Party } from '../helpers/party.ts'
import { ticketsIn, untilWaiting } from '../helpers/lock-directory.ts'
import { BUN, USUAL } from '../helpers/runtime.ts'
import type { Scene } from '../helpers/scenario.ts'
import { scenario } from '../helpers/scenario.ts'
import { until } from '../helpers/until.ts'

const PROCESSES = 8
const THREADS_EACH = 5
const FLOODERS = 6

/** What the kernel cuts every backlog to. */
const MOST_PENDING = Number(fs.readFileSync('/proc/sys/net/core/somaxconn', 'utf8'))
const skip = MOST_PENDING > 4096 ? `net.core.somaxconn is ${MOST_PENDING}: too many to fill up` : false

const LOADS = [
  // Bun asks the kernel to keep 512.
  { name: '600 connections', count: 600, isFull: USUAL === BUN },
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
    const connected = await flood(scene, flooders, count)
    assert.equal(connected < count, isFull, `${connected} of ${count} connected`)

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

scenario('behind a stopped holder with a full backlog, a try fails at once', { skip }, async (scene) => {
  const [holder, passer, ...flooders] = await scene.spawnAll(
    'holder',
    'passer',
    ...Array.from({ length: FLOODERS }, (_, index) => `flooder ${index}`),
  )
  await holder.acquire(scene.path)
  await holder.stop()
  const count = MOST_PENDING + 300
  assert.ok((await flood(scene, flooders, count)) < count)
  assert.equal(await passer.try(scene.path), false)
  assert.equal((await passer.fail(scene.path, { timeout: 0 })).code, 'ERR_SLOCKET_TIMEOUT')
  assert.equal(ticketsIn(scene.path).length, 1)
})

/** Opens connections to the first ticket. Returns how many came about. */
async function flood(scene: Scene, flooders: readonly Client[], count: number): Promise<number> {
  const path = join(scene.path, ticketsIn(scene.path)[0]!.name)
  for (const flooder of flooders) flooder.send({ do: 'flood', path, count: Math.ceil(count / FLOODERS) })
  const connected = await Promise.all(flooders.map(async (flooder) => (await flooder.next('flooded')).count!))
  return connected.reduce((total, some) => total + some)
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

scenario('three hundred requests each of two processes share few tickets, and all get their turn', async (scene) => {
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
})

scenario('a query of three hundred requests of one process asks it once, and returns all labels', async (scene) => {
  const client = await scene.spawn('client')
  const labels = Array.from({ length: 300 }, (_, index) => `number ${index}`)
  client.send(
    ...labels.map((label) => ({
      do: 'acquire' as const,
      path: scene.path,
      as: label,
      options: { permits: 290, label },
    })),
  )
  // Those that wait need no tickets of their own.
  await until('as many as there are permits hold', () => ticketsIn(scene.path).length >= 290)
  await client.ping()
  const connect = scene.test.mock.method(net, 'connect')
  // It has 200 ms to answer, which may be too short on a busy machine: then no label is known.
  let seen: unknown[] = [undefined]
  while (seen[0] === undefined) {
    connect.mock.resetCalls()
    const { held, pending } = await slocket.query(scene.path)
    assert.equal(connect.mock.callCount(), 1)
    seen = [...held, ...pending].map(({ label }) => label)
  }
  assert.deepEqual(seen, labels)
})
