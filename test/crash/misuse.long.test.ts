/** Handles used too early, twice or too late never free what another process holds: R3, R4, R22. */
import assert from 'node:assert/strict'
import { ticketsIn } from '../helpers/lock-directory.ts'
import { scenario } from '../helpers/scenario.ts'
import { until } from '../helpers/until.ts'

scenario('a second release does nothing while another process holds (R4)', async (scene) => {
  const [first, second, third] = await scene.spawnAll('first', 'second', 'third')
  await first.acquire(scene.path)
  await second.enqueue(scene.path)
  first.send({ do: 'release' }, { do: 'release' })
  await first.next('released')
  await first.next('released')
  await second.next('granted')
  await first.release()
  assert.equal(await third.try(scene.path), false)
  assert.equal(await second.isHolding(), true)
  second.send({ do: 'release' }, { do: 'release' })
  assert.equal(await until('it is free', () => ticketsIn(scene.path).length === 0), true)
  assert.equal(await third.try(scene.path), true)
})

scenario("an old handle does not release the same process's next grant", async (scene) => {
  const [client, other] = await scene.spawnAll('client', 'other')
  await client.acquire(scene.path, {}, 'first')
  await client.release('first')
  await client.acquire(scene.path, {}, 'second')
  await client.release('first')
  assert.equal(await client.isHolding('second'), true)
  assert.equal(await other.try(scene.path), false)
})

scenario('a request that is cancelled in its own tick frees nothing, and is never granted (R3, R22)', async (scene) => {
  const [holder, waiter, passer] = await scene.spawnAll('holder', 'waiter', 'passer')
  await holder.acquire(scene.path)
  waiter.send({ do: 'acquire', path: scene.path }, { do: 'abort' })
  assert.equal((await waiter.next('rejected')).code, 'CANCELLED')
  assert.equal(await passer.try(scene.path), false)
  await holder.release()
  await until('nobody stands in the queue', () => ticketsIn(scene.path).length === 0)
  assert.equal(await passer.try(scene.path), true)
  await waiter.ping()
  assert.equal(waiter.hasSaid('granted'), false)
})

scenario('a waiter that is cancelled later leaves the queue, and the next one gets its turn (R22)', async (scene) => {
  const [holder, waiter, last] = await scene.spawnAll('holder', 'waiter', 'last')
  await holder.acquire(scene.path)
  await waiter.enqueue(scene.path)
  await last.enqueue(scene.path)
  waiter.send({ do: 'abort' })
  assert.equal((await waiter.next('rejected')).code, 'CANCELLED')
  await until('its ticket is gone', () => ticketsIn(scene.path).length === 2)
  assert.equal(last.hasSaid('granted'), false)
  await holder.release()
  await last.next('granted')
  await last.release()
  await until('nobody stands in the queue', () => ticketsIn(scene.path).length === 0)
  assert.deepEqual(scene.journal.order(), ['holder', 'last'])
})

scenario(
  'a waiter that is cancelled during the release holds or does not, and the next one gets its turn',
  async (scene) => {
    const [holder, waiter, last] = await scene.spawnAll('holder', 'waiter', 'last')
    const outcomes = new Set<string>()
    for (let round = 0; round < 60; round += 1) {
      await holder.acquire(scene.path)
      await waiter.enqueue(scene.path)
      await last.enqueue(scene.path)
      // Both at once, in either order.
      const deeds = [() => holder.send({ do: 'release' }), () => waiter.send({ do: 'abort' })]
      for (const deed of round % 2 === 0 ? deeds : deeds.reverse()) deed()
      const { event } = await waiter.next('granted|rejected')
      outcomes.add(event)
      if (event === 'granted') await waiter.release()
      await last.next('granted')
      await last.release()
      await holder.next('released')
    }
    scene.test.diagnostic([...outcomes].join(', '))
  },
)

scenario('an abort after the grant changes nothing', async (scene) => {
  const [holder, passer] = await scene.spawnAll('holder', 'passer')
  await holder.acquire(scene.path)
  holder.send({ do: 'abort' })
  assert.equal(await holder.isHolding(), true)
  assert.equal(await passer.try(scene.path), false)
})

scenario('a wait that times out names the holder, frees nothing, and leaves the queue', async (scene) => {
  const [holder, waiter, passer] = await scene.spawnAll('holder', 'waiter', 'passer')
  await holder.acquire(scene.path, { label: 'nightly build' })
  // It has 200 ms to say what it does, which may be too short on a busy machine: then only the rest is known of it.
  for (let isNamed = false; !isNamed;) {
    const { code, message } = await waiter.fail(scene.path, { timeout: 100 })
    assert.equal(code, 'ERR_SLOCKET_TIMEOUT')
    assert.match(message!, new RegExp(`held by pid ${holder.pid} `))
    isNamed = message!.includes('nightly build')
  }
  assert.equal(await passer.try(scene.path), false)
  assert.equal(ticketsIn(scene.path).length, 1)
  await holder.release()
  assert.equal(await passer.try(scene.path), true)
})

scenario('claims that do not match are an error, and the holder keeps its lock', async (scene) => {
  const [holder, other] = await scene.spawnAll('holder', 'other')
  await holder.acquire(scene.path, { permits: 2 })
  for (const options of [{}, { mode: 'shared' } as const]) {
    assert.equal((await other.fail(scene.path, options)).code, 'ERR_SLOCKET_CLAIM_MISMATCH')
  }
  await other.acquire(scene.path, { permits: 2 })
  assert.equal(await holder.isHolding(), true)
})
