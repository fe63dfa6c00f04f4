/** kill -9 of holders and waiters: R1, R11. */
import assert from 'node:assert/strict'
import { ticketsIn, untilGoneIfModesAreKept } from '../helpers/lock-directory.ts'
import { NO_STOPS, scenario } from '../helpers/scenario.ts'

const LEAVE = { linger: 0 }

scenario(
  'after a holder is killed, the first waiter gets the lock with recovered; the next one has not recovered',
  async (scene) => {
    const [holder, first, second] = await scene.spawnAll('holder', 'first', 'second')
    assert.equal((await holder.acquire(scene.path)).recovered, false)
    await first.enqueue(scene.path)
    await second.enqueue(scene.path)

    await holder.kill()
    assert.equal((await first.next('granted')).recovered, true)
    await first.release()
    assert.equal((await second.next('granted')).recovered, false)
    await second.release()
  },
)

scenario('a killed holder is reported only once to the same process, however often it holds', async (scene) => {
  const [holder, next] = await scene.spawnAll('holder', 'next')
  await holder.acquire(scene.path)
  await holder.kill()
  assert.equal((await next.acquire(scene.path)).recovered, true)
  for (let times = 0; times < 3; times += 1) {
    await next.release()
    assert.equal((await next.acquire(scene.path)).recovered, false)
  }
})

scenario('of several requests of one process with the same ticket, the first one has recovered', async (scene) => {
  const [holder, next] = await scene.spawnAll('holder', 'next')
  await holder.acquire(scene.path)
  await holder.kill()
  const names = ['a', 'b', 'c']
  next.send(...names.map((as) => ({ do: 'acquire', path: scene.path, as }) as const))
  const told: (boolean | undefined)[] = []
  for (const as of names) {
    told.push((await next.next('granted', as)).recovered)
    await next.release(as)
  }
  assert.deepEqual(told, [true, false, false])
})

scenario(
  'after a killed exclusive holder, all shared holders have recovered up to the next exclusive one',
  async (scene) => {
    const [holder, one, other] = await scene.spawnAll('holder', 'one', 'other')
    await holder.acquire(scene.path)
    await holder.kill()
    const shared = { mode: 'shared' } as const
    // At the same time, by one ticket, and one after the other.
    for (const [client, as] of [
      [one, 'a'],
      [one, 'b'],
      [other, 'c'],
    ] as const) {
      assert.equal((await client.acquire(scene.path, shared, as)).recovered, true)
    }
    for (const as of ['a', 'b']) await one.release(as)
    assert.equal((await one.acquire(scene.path, shared, 'd')).recovered, true)
    await one.release('d')
    await other.release('c')
    assert.equal((await other.acquire(scene.path)).recovered, true)
    await other.release()
    assert.equal((await one.acquire(scene.path, shared)).recovered, false)
  },
)

scenario('nobody has recovered after a killed shared holder', async (scene) => {
  const [holder, next] = await scene.spawnAll('holder', 'next')
  await holder.acquire(scene.path, { mode: 'shared' })
  await holder.kill()
  assert.equal((await next.acquire(scene.path)).recovered, false)
})

scenario('a holder that is killed while nobody waits blocks nobody (R1)', async (scene) => {
  const [holder, next] = await scene.spawnAll('holder', 'next')
  await holder.acquire(scene.path)
  await holder.kill()
  assert.equal((await next.acquire(scene.path, LEAVE)).recovered, true)
  assert.equal(ticketsIn(scene.path).length, 1, 'the dead ticket is removed')
  await next.release()
  await untilGoneIfModesAreKept(scene.path)
})

scenario('a try detects that the holder was killed', async (scene) => {
  const [holder, next] = await scene.spawnAll('holder', 'next')
  await holder.acquire(scene.path)
  assert.equal(await next.try(scene.path), false)
  await holder.kill()
  assert.equal(await next.try(scene.path), true)
})

scenario(
  'a waiter that is killed in the middle of the queue is skipped, and the others keep their order',
  async (scene) => {
    const [holder, a, b, c, d] = await scene.spawnAll('holder', 'a', 'b', 'c', 'd')
    await holder.acquire(scene.path)
    for (const waiter of [a, b, c, d]) await waiter.enqueue(scene.path)
    await b.kill()
    await holder.release()
    for (const waiter of [a, c, d]) {
      await waiter.next('granted')
      await waiter.release()
    }
    assert.deepEqual(scene.journal.order(), ['holder', 'a', 'c', 'd'])
  },
)

scenario('the first waiter is killed at the moment of the release: the second one gets its turn', async (scene) => {
  const [holder, first, second] = await scene.spawnAll('holder', 'first', 'second')
  await holder.acquire(scene.path)
  await first.enqueue(scene.path)
  await second.enqueue(scene.path)
  holder.send({ do: 'release' })
  await first.kill()
  await second.next('granted')
})

scenario(
  'when the holder and all waiters are killed at once, a newcomer gets the lock, and removes everything at the end',
  { skip: NO_STOPS },
  async (scene) => {
    const [newcomer, ...doomed] = await scene.spawnAll('newcomer', 'a', 'b', 'c', 'd')
    await doomed[0].acquire(scene.path)
    for (const waiter of doomed.slice(1)) await waiter.enqueue(scene.path)
    // Stopped first, so that none of them still sees another one die, and buries it.
    for (const one of doomed) await one.stop()
    await Promise.all(doomed.map((one) => one.kill()))
    assert.equal(ticketsIn(scene.path).length, 4)
    assert.equal((await newcomer.acquire(scene.path, LEAVE)).recovered, true)
    await newcomer.release()
    await untilGoneIfModesAreKept(scene.path)
  },
)

scenario('a former holder that is killed affects nobody (R11)', async (scene) => {
  const [former, holder, waiter] = await scene.spawnAll('former', 'holder', 'waiter')
  await former.acquire(scene.path)
  await holder.enqueue(scene.path)
  await waiter.enqueue(scene.path)
  await former.release()
  await holder.next('granted')
  await former.kill()
  assert.equal(await holder.isHolding(), true)
  await holder.kill()
  assert.equal((await waiter.next('granted')).recovered, true)
})

scenario('when a shared holder is killed, the exclusive request is granted', async (scene) => {
  const [reader, other, writer] = await scene.spawnAll('reader', 'other', 'writer')
  await reader.acquire(scene.path, { mode: 'shared' })
  await other.acquire(scene.path, { mode: 'shared' })
  await writer.enqueue(scene.path)
  await reader.kill()
  await other.release()
  await writer.next('granted')
})

scenario('a permit of a killed holder goes to a waiter, which has recovered', async (scene) => {
  const semaphore = { permits: 2 }
  const [a, b, c] = await scene.spawnAll('a', 'b', 'c')
  await a.acquire(scene.path, semaphore)
  await b.acquire(scene.path, semaphore)
  await c.enqueue(scene.path, semaphore)
  await a.kill()
  assert.equal((await c.next('granted')).recovered, true)
  assert.equal(await b.isHolding(), true)
})

scenario(
  'of many requests of one process for permits, the first one after a killed holder has recovered',
  async (scene) => {
    const semaphore = { permits: 2 }
    const [holder, crowd] = await scene.spawnAll('holder', 'crowd')
    await holder.acquire(scene.path, semaphore)
    const names = ['a', 'b', 'c', 'd', 'e']
    crowd.send(...names.map((as) => ({ do: 'acquire', path: scene.path, as, options: semaphore }) as const))
    await crowd.next('granted', 'a')
    await crowd.release('a')
    await crowd.next('granted', 'b')
    await holder.kill()
    const told = [(await crowd.next('granted', 'c')).recovered]
    for (const [index, as] of ['b', 'c', 'd', 'e'].entries()) {
      await crowd.release(as)
      if (index < 2) told.push((await crowd.next('granted', names[index + 3])).recovered)
    }
    assert.deepEqual(told, [true, false, false])
  },
)
