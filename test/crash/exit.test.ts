/** Ends of all kinds but kill -9, in every order: R9, R11, R12, R17, R19. */
import assert from 'node:assert/strict'
import { ticketsIn, untilGone, untilWaiting } from '../helpers/lock-directory.ts'
import { scenario } from '../helpers/scenario.ts'
import { pass } from '../helpers/until.ts'
import { ENDS, testFormerFirst, testHolderFirst } from './exit-suite.ts'

// exit.long.test.ts has the other kinds.
for (const kind of ENDS.filter(({ name }) => name === 'process.exit' || name === 'SIGTERM')) {
  testHolderFirst(kind)
  testFormerFirst(kind)
}

scenario(
  'processes that have released can end while another one holds, and the last one removes the directory (R19)',
  async (scene) => {
    const options = { linger: 60_000 }
    const [a, b, c] = await scene.spawnAll('a', 'b', 'c')
    await a.acquire(scene.path, options)
    await b.enqueue(scene.path, options)
    await c.enqueue(scene.path, options)
    await a.release()
    await b.next('granted')
    a.send({ do: 'detach' })
    assert.equal((await a.ended()).code, 0)
    await b.release()
    await c.next('granted')
    b.send({ do: 'exit', code: 0 })
    assert.equal((await b.ended()).code, 0)
    assert.equal(await c.isHolding(), true)
    await c.release()
    c.send({ do: 'detach' })
    assert.equal((await c.ended()).code, 0)
    await untilGone(scene.path)
  },
)

scenario(
  'processes release and end in the same tick, one after the other, and nobody is left waiting (R17)',
  async (scene) => {
    const clients = await scene.spawnAll('a', 'b', 'c', 'd', 'e')
    await clients[0].acquire(scene.path)
    for (const waiter of clients.slice(1)) await waiter.enqueue(scene.path)
    for (const [index, client] of clients.entries()) {
      if (index > 0) assert.equal((await client.next('granted')).recovered, false)
      client.send({ do: 'release' }, { do: 'exit', code: 0 })
    }
    assert.deepEqual(scene.journal.order(), ['a', 'b', 'c', 'd', 'e'])
    await untilGone(scene.path)
  },
)

scenario('a process with waiters in all states ends, and all others continue (R9, R12)', async (scene) => {
  const clients = await scene.spawnAll('a', 'b', 'c', 'd', 'e', 'f')
  for (const client of clients) client.send({ do: 'contend', path: scene.path, rounds: 40, counter: scene.counter })
  await clients[0].next('done')
  clients[0].send({ do: 'exit', code: 0 })
  for (const client of clients.slice(1)) {
    await client.next('done')
    client.send({ do: 'exit', code: 0 })
  }
  assert.equal(scene.journal.grants().length, 240)
  await untilGone(scene.path)
})

scenario('a wait keeps a process alive; a held lock does not', async (scene) => {
  const [holder, waiter, last] = await scene.spawnAll('holder', 'waiter', 'last')
  await holder.acquire(scene.path)
  await waiter.enqueue(scene.path)
  await last.enqueue(scene.path)
  waiter.send({ do: 'detach' })
  await waiter.next('detached')
  await pass(300)
  assert.equal(waiter.exit, undefined)
  await holder.release()
  await waiter.next('granted')
  assert.equal((await waiter.ended()).code, 0)
  assert.equal((await last.next('granted')).recovered, true, 'it ended without releasing')
})

scenario('a process that waits behind itself stays alive until it has held twice', async (scene) => {
  const client = await scene.spawn('client')
  await client.acquire(scene.path, {}, 'first')
  client.send({ do: 'acquire', path: scene.path, as: 'second' }, { do: 'detach' })
  await client.next('detached')
  await pass(300)
  assert.equal(client.exit, undefined)
  await client.release('first')
  await client.next('granted', 'second')
  assert.equal((await client.ended()).code, 0)
})

scenario('a process that ends leaves the ticket of its hold, and no other', async (scene) => {
  const [client, other, next] = await scene.spawnAll('client', 'other', 'next')
  await client.acquire(scene.path)
  await other.enqueue(scene.path)
  client.send({ do: 'acquire', path: scene.path, as: 'again' })
  await untilWaiting(scene.path, 2)
  client.send({ do: 'exit', code: 0 })
  await client.ended()
  await other.next('granted')
  await next.enqueue(scene.path)
  assert.deepEqual(
    ticketsIn(scene.path).map(({ pid }) => pid),
    [other.pid, next.pid],
  )
})
