/** A process that has run out of descriptors. */
import assert from 'node:assert/strict'
import { ticketsIn } from '../helpers/lock-directory.ts'
import { scenario } from '../helpers/scenario.ts'

const FEW = ['bash', '-c', 'ulimit -n 120; exec "$0" "$@"']
const LEAVE = { linger: 0 }

scenario(
  'without descriptors, an acquire fails, leaves nothing behind, and works again when there are some',
  async (scene) => {
    const [poor, other] = await Promise.all([scene.spawn('poor', { wrapper: FEW }), scene.spawn('other')])
    // The first use of a module opens files.
    await poor.acquire(scene.path, LEAVE)
    await poor.release()
    for (const spare of [0, 1, 2, 3]) {
      poor.send({ do: 'exhaust', spare }, { do: 'acquire', path: scene.path, options: LEAVE })
      const { event, code } = await poor.next('granted|rejected')
      if (event === 'granted') await poor.release()
      else assert.equal(code, 'ERR_SLOCKET_RESOURCES')
      if (spare === 0) assert.equal(event, 'rejected')
      assert.equal(ticketsIn(scene.path).length, 0)
      poor.send({ do: 'replenish' })
      await poor.next('replenished')
      await poor.acquire(scene.path, LEAVE)
      assert.equal(await other.try(scene.path, LEAVE), false)
      await poor.release()
      assert.equal(await other.try(scene.path, LEAVE), true)
      await other.release('try')
    }
  },
)

scenario('without descriptors, a waiter does not pass a holder that it cannot reach', async (scene) => {
  const [poor, holder] = await Promise.all([scene.spawn('poor', { wrapper: FEW }), scene.spawn('holder')])
  await holder.acquire(scene.path)
  for (const spare of [0, 1, 2, 3]) {
    poor.send({ do: 'exhaust', spare }, { do: 'acquire', path: scene.path, options: { timeout: 300 } })
    const { code } = await poor.next('rejected')
    assert.ok(code === 'ERR_SLOCKET_RESOURCES' || code === 'ERR_SLOCKET_TIMEOUT', code)
    assert.equal(ticketsIn(scene.path).length, 1)
    poor.send({ do: 'replenish' })
  }
  await poor.enqueue(scene.path)
  await holder.release()
  await poor.next('granted')
})

scenario('a holder without descriptors releases, and waiters that could not reach it get their turn', async (scene) => {
  const [poor, early, late] = await Promise.all([
    scene.spawn('poor', { wrapper: FEW }),
    scene.spawn('early'),
    scene.spawn('late'),
  ])
  await poor.acquire(scene.path)
  await early.enqueue(scene.path)
  await poor.ping()
  poor.send({ do: 'exhaust', spare: 0 })
  await poor.next('exhausted')
  await late.enqueue(scene.path)
  assert.equal(await poor.isHolding(), true)
  await poor.release()
  await early.next('granted')
  await early.release()
  await late.next('granted')
  await late.release()
  poor.send({ do: 'replenish' })
  await poor.acquire(scene.path, {}, 'again')
})

scenario(
  'a process whose first acquire was without descriptors names its tickets by this kernel, like all others',
  async (scene) => {
    const other = await scene.spawn('other')
    await other.acquire(scene.path)
    const { kernel } = ticketsIn(scene.path)[0]!
    await other.release()
    for (const spare of [0, 1, 2, 3, 4]) {
      const poor = await scene.spawn(`poor ${spare}`, { wrapper: FEW })
      poor.send({ do: 'exhaust', spare }, { do: 'acquire', path: scene.path, options: LEAVE })
      const { event } = await poor.next('granted|rejected')
      poor.send({ do: 'replenish' })
      if (event === 'rejected') await poor.acquire(scene.path, LEAVE)
      assert.equal(ticketsIn(scene.path)[0]!.kernel, kernel, `with ${spare} descriptors`)
      await poor.release()
    }
  },
)
