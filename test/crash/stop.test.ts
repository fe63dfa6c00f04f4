/** SIGSTOP, a laptop's sleep, a debugger: a stopped process isn't dead. R7, R8, R10, R20. */
import assert from 'node:assert/strict'
import { ticketsIn } from '../helpers/lock-directory.ts'
import { scenario } from '../helpers/scenario.ts'
import { pass } from '../helpers/until.ts'

/** Longer than the second after which waiters look again by themselves. */
const OBSERVED_MS = 1500

scenario('a stopped holder keeps the lock, and still holds it when it continues (R10)', async (scene) => {
  const [holder, waiter, passer] = await scene.spawnAll('holder', 'waiter', 'passer')
  await holder.acquire(scene.path)
  await waiter.enqueue(scene.path)
  await holder.stop()
  assert.equal(await passer.try(scene.path), false)
  await pass(OBSERVED_MS)
  assert.equal(waiter.hasSaid('granted'), false)
  holder.continue()
  assert.equal(await holder.isHolding(), true)
  assert.equal(await passer.try(scene.path), false)
  await holder.release()
  await waiter.next('granted')
})

scenario('a process that is stopped right after its release blocks nobody (R20)', async (scene) => {
  const [former, next, last] = await scene.spawnAll('former', 'next', 'last')
  await former.acquire(scene.path)
  await next.enqueue(scene.path)
  await last.enqueue(scene.path)
  await former.release()
  await former.stop()
  await next.next('granted')
  await next.release()
  await last.next('granted')
})

scenario('a holder that releases and blocks its event loop in the same tick blocks nobody', async (scene) => {
  const [holder, next, last] = await scene.spawnAll('holder', 'next', 'last')
  await holder.acquire(scene.path)
  await next.enqueue(scene.path)
  await last.enqueue(scene.path)
  holder.send({ do: 'release' }, { do: 'block', ms: 60_000 })
  await next.next('granted')
  await next.release()
  await last.next('granted')
  assert.equal(holder.hasSaid('unblocked'), false)
})

scenario(
  "a request joins, waits and gets its turn while the holder's event loop is blocked until its release",
  async (scene) => {
    const [holder, waiter] = await scene.spawnAll('holder', 'waiter')
    await holder.acquire(scene.path)
    holder.send({ do: 'block', until: scene.goOn }, { do: 'release' }, { do: 'block', ms: 60_000 })
    await holder.next('blocking')
    await waiter.enqueue(scene.path)
    scene.unblock()
    await waiter.next('granted')
  },
)

scenario(
  'a stopped waiter whose turn comes owns the lock; if it is then killed, the next one gets it (R7)',
  async (scene) => {
    const [holder, stopped, last, passer] = await scene.spawnAll('holder', 'stopped', 'last', 'passer')
    await holder.acquire(scene.path)
    await stopped.enqueue(scene.path)
    await last.enqueue(scene.path)
    await stopped.stop()
    await holder.release()
    assert.equal(await passer.try(scene.path), false)
    await pass(OBSERVED_MS)
    assert.equal(last.hasSaid('granted'), false)
    await stopped.kill()
    await last.next('granted')
    await last.release()
    assert.deepEqual(scene.journal.order(), ['holder', 'last'])
    await Promise.all([holder.ping(), last.ping(), passer.ping()])
  },
)

scenario('a stopped waiter whose turn came holds when it continues', async (scene) => {
  const [holder, stopped, last] = await scene.spawnAll('holder', 'stopped', 'last')
  await holder.acquire(scene.path)
  await stopped.enqueue(scene.path)
  await last.enqueue(scene.path)
  await stopped.stop()
  await holder.release()
  stopped.continue()
  await stopped.next('granted')
  await stopped.release()
  await last.next('granted')
})

scenario('a waiter dies while the holder is busy, and the holder releases in the same tick (R8)', async (scene) => {
  const [holder, doomed, last] = await scene.spawnAll('holder', 'doomed', 'last')
  await holder.acquire(scene.path)
  await doomed.enqueue(scene.path)
  await last.enqueue(scene.path)
  // Connected and answered: the holder knows both, and will write to the dead one.
  await holder.ping()
  holder.send({ do: 'block', until: scene.goOn }, { do: 'release' })
  await holder.next('blocking')
  await doomed.kill()
  scene.unblock()
  await last.next('granted')
  await holder.next('released')
  await holder.ping()
  assert.equal(ticketsIn(scene.path).length, 1)
})

scenario('a waiter stopped before it had joined is waited for only while it lives', async (scene) => {
  const [stopped, other] = await scene.spawnAll('stopped', 'other')
  await stopped.stop()
  stopped.send({ do: 'acquire', path: scene.path })
  await other.acquire(scene.path)
  stopped.continue()
  await other.release()
  await stopped.next('granted')
})
