/** Processes that keep their ticket for a slice: others have the lock in time, and after every kind of end. */
import assert from 'node:assert/strict'
import { untilGone } from '../helpers/lock-directory.ts'
import { scenario } from '../helpers/scenario.ts'

/** Longer than any test takes. */
const LONG = { slice: 60_000 }

scenario('a waiter gets the lock although another process never stops requesting it', async (scene) => {
  const [greedy, waiter] = await scene.spawnAll('greedy', 'waiter')
  greedy.send({ do: 'contend', path: scene.path, options: { slice: 50 }, rounds: 1e9 })
  for (let round = 0; round < 3; round += 1) {
    await waiter.acquire(scene.path)
    await waiter.release()
  }
  await greedy.kill()
  await waiter.acquire(scene.path)
})

scenario(
  'a waiter gets the lock at the end of a turn of the event loop, although the slice continues',
  async (scene) => {
    const [holder, waiter] = await scene.spawnAll('holder', 'waiter')
    await holder.acquire(scene.path, LONG)
    await waiter.enqueue(scene.path)
    await holder.release()
    assert.equal((await waiter.next('granted')).recovered, false)
    await waiter.release()
    await untilGone(scene.path)
  },
)

scenario(
  'requests of the same turn overtake waiters, and a release frees the lock only at the end of the turn',
  async (scene) => {
    const [holder, waiter] = await scene.spawnAll('holder', 'waiter')
    await holder.acquire(scene.path, LONG)
    await waiter.enqueue(scene.path)
    holder.send(
      { do: 'release' },
      { do: 'acquire', path: scene.path, as: 'second', options: LONG },
      { do: 'acquire', path: scene.path, as: 'third', options: LONG },
    )
    await holder.next('granted', 'second')
    await holder.release('second')
    await holder.next('granted', 'third')
    assert.equal(waiter.hasSaid('granted'), false)
    await holder.release('third')
    await waiter.next('granted')
  },
)

scenario('killed between two requests, a process leaves a ticket that blocks nobody', async (scene) => {
  const [holder, waiter] = await scene.spawnAll('holder', 'waiter')
  await holder.acquire(scene.path, LONG)
  await waiter.enqueue(scene.path)
  holder.send({ do: 'release' }, { do: 'block', ms: 60_000 })
  await holder.next('blocking')
  await holder.kill()
  // Nobody can tell that it did not hold.
  assert.equal((await waiter.next('granted')).recovered, true)
})

for (const [how, end] of [
  ['exits', { do: 'exit', code: 0 }],
  ['throws', { do: 'throw' }],
] as const) {
  scenario(`a process that ${how} between two requests leaves no ticket`, async (scene) => {
    const [holder, waiter] = await scene.spawnAll('holder', 'waiter')
    await holder.acquire(scene.path, LONG)
    await waiter.enqueue(scene.path)
    holder.send({ do: 'release' }, end)
    assert.equal((await waiter.next('granted')).recovered, false)
    await waiter.release()
    await untilGone(scene.path)
  })
}

scenario('slocket.sync gets the lock in the turn of a release', async (scene) => {
  const [holder, waiter] = await scene.spawnAll('holder', 'waiter')
  await holder.acquire(scene.path, LONG)
  holder.send({ do: 'release' }, { do: 'sync', path: scene.path, as: 'sync' })
  await holder.next('granted', 'sync')
  await holder.release('sync')
  await holder.acquire(scene.path, LONG)
  await waiter.enqueue(scene.path)
  holder.send({ do: 'release' }, { do: 'sync', path: scene.path, as: 'sync' })
  await waiter.next('granted')
  await waiter.release()
  await holder.next('granted', 'sync')
})
