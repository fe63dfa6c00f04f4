/** First come, first served, among processes; shared and exclusive claims, and permits, in one queue. */
import assert from 'node:assert/strict'
import type { Client } from '../helpers/client.ts'
import type { PlainOptions } from '../helpers/commands.ts'
import { untilWaiting } from '../helpers/lock-directory.ts'
import type { Scene } from '../helpers/scenario.ts'
import { scenario } from '../helpers/scenario.ts'

const SHARED: PlainOptions = { mode: 'shared' }
const SEMAPHORE: PlainOptions = { permits: 3 }

scenario('eight processes get the lock in the order of their requests', async (scene) => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
  const clients = await spawnIn(scene, names)
  await clients[0]!.acquire(scene.path)
  for (const client of clients.slice(1)) await client.enqueue(scene.path)
  for (const client of clients) {
    if (client !== clients[0]) await client.next('granted')
    await client.release()
  }
  assert.deepEqual(scene.journal.order(), names)
})

scenario('alternating requests of two processes are granted alternately', async (scene) => {
  const [a, b] = await scene.spawnAll('a', 'b')
  await a.acquire(scene.path, {}, '0')
  const asked = [b, a, b, b, a, a, b]
  let tickets = 0
  for (const [index, client] of asked.entries()) {
    client.send({ do: 'acquire', path: scene.path, as: String(index + 1) })
    await client.ping()
    // Those of one process that come one after the other share a ticket.
    if (client !== asked[index - 1]) tickets += 1
    await untilWaiting(scene.path, tickets)
  }
  await a.release('0')
  for (const [index, client] of asked.entries()) {
    await client.next('granted', String(index + 1))
    await client.release(String(index + 1))
  }
  assert.deepEqual(
    scene.journal.grants().map(({ as }) => as),
    ['0', '1', '2', '3', '4', '5', '6', '7'],
  )
})

scenario('behind an exclusive holder, shared, shared, exclusive, shared: granted in three groups', async (scene) => {
  const [holder, s1, s2, writer, s3] = await scene.spawnAll('holder', 's1', 's2', 'writer', 's3')
  await holder.acquire(scene.path)
  await s1.enqueue(scene.path, SHARED)
  await s2.enqueue(scene.path, SHARED)
  await writer.enqueue(scene.path)
  await s3.enqueue(scene.path, SHARED)

  await holder.release()
  await s1.next('granted')
  await s2.next('granted')
  assert.equal(await holder.try(scene.path, SHARED), false, 'no shared one passes the exclusive one')
  await s1.release()
  await writer.ping()
  assert.equal(writer.hasSaid('granted'), false)
  await s2.release()
  await writer.next('granted')
  await s3.ping()
  assert.equal(s3.hasSaid('granted'), false)
  await writer.release()
  await s3.next('granted')
})

scenario(
  'a second shared holder joins the first, and an exclusive request waits for both, whoever leaves first',
  async (scene) => {
    const [s1, s2, writer] = await scene.spawnAll('s1', 's2', 'writer')
    await s1.acquire(scene.path, SHARED)
    await s2.acquire(scene.path, SHARED)
    await writer.enqueue(scene.path)
    await s1.release()
    await writer.ping()
    assert.equal(writer.hasSaid('granted'), false)
    assert.equal(await s2.isHolding(), true)
    await s2.release()
    await writer.next('granted')
  },
)

scenario('three permits: the fourth request waits, and gets the first one released', async (scene) => {
  const [a, b, c, d, e, f] = await scene.spawnAll('a', 'b', 'c', 'd', 'e', 'f')
  for (const client of [a, b, c]) await client.acquire(scene.path, SEMAPHORE)
  for (const client of [d, e, f]) await client.enqueue(scene.path, SEMAPHORE)
  await c.release()
  await d.next('granted')
  await a.release()
  await e.next('granted')
  await f.ping()
  assert.equal(f.hasSaid('granted'), false)
  await d.release()
  await f.next('granted')
  assert.deepEqual(scene.journal.order(), ['a', 'b', 'c', 'd', 'e', 'f'])
})

scenario('three permits, seven contending processes: never more than three hold, and all are served', async (scene) => {
  const clients = await spawnIn(scene, ['a', 'b', 'c', 'd', 'e', 'f', 'g'])
  for (const client of clients) client.send({ do: 'contend', path: scene.path, rounds: 40, options: SEMAPHORE })
  await Promise.all(clients.map((client) => client.next('done')))
  assert.equal(scene.journal.grants().length, 280)
})

scenario('shared and exclusive processes contend: a writer is always alone, and all are served', async (scene) => {
  const clients = await spawnIn(scene, ['r1', 'r2', 'r3', 'w1', 'w2'])
  for (const client of clients) {
    const options: PlainOptions = client.name.startsWith('r') ? SHARED : {}
    client.send({ do: 'contend', path: scene.path, rounds: 60, options })
  }
  await Promise.all(clients.map((client) => client.next('done')))
  assert.equal(scene.journal.grants().length, 300)
})

async function spawnIn(scene: Scene, names: readonly string[]): Promise<readonly Client[]> {
  return await Promise.all(names.map((name) => scene.spawn(name)))
}
