/** Any step on a lock may fail. faults.long.test.ts has the system errors that are not here. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { testFaults } from './faults-suite.ts'
import type { Client } from '../helpers/client.ts'
import { untilGone } from '../helpers/lock-directory.ts'
import { scenario } from '../helpers/scenario.ts'
import { failEvery, noPlan, WITH_STEPS } from '../helpers/steps.ts'

const LEAVE = { linger: 0 }

testFaults('EMFILE')

scenario('if a ticket cannot be unlinked, its release still frees the lock', async (scene) => {
  const [victim, other] = await Promise.all([scene.spawn('victim', WITH_STEPS), scene.spawn('other')])
  await victim.acquire(scene.path)
  await other.enqueue(scene.path)
  victim.send({ do: 'plan', plan: failEvery(scene.path, 'unlinkSync', 'EROFS') })
  await victim.release()
  await other.next('granted')
  victim.send({ do: 'plan', plan: noPlan(scene.path) })
  await victim.enqueue(scene.path, {}, { as: 'again' })
  await other.release()
  await victim.next('granted', 'again')
})

scenario(
  'if a ticket cannot be unlinked while the process holds another one, that is reported, and both go together',
  async (scene) => {
    const semaphore = { permits: 2 }
    const [victim, other] = await Promise.all([scene.spawn('victim', WITH_STEPS), scene.spawn('other')])
    await victim.acquire(scene.path, semaphore, 'first')
    await victim.acquire(scene.path, semaphore, 'second')
    await other.enqueue(scene.path, semaphore)
    victim.send({ do: 'plan', plan: failEvery(scene.path, 'unlinkSync', 'EROFS') }, { do: 'release', as: 'first' })
    assert.equal((await victim.next('released|rejected', 'first')).code, 'ERR_SLOCKET_NOT_RELEASED')
    assert.equal(await victim.isHolding('second'), true)
    await victim.release('second')
    await other.next('granted')
  },
)

scenario(
  'if a ticket cannot be unlinked for a while, another request of the process gets its turn after that',
  async (scene) => {
    const semaphore = { permits: 1 }
    const client = await scene.spawn('client', WITH_STEPS)
    await client.acquire(scene.path, semaphore, 'first')
    await client.enqueue(scene.path, semaphore, { as: 'second' })
    client.send({ do: 'plan', plan: failEvery(scene.path, 'unlinkSync', 'EIO') }, { do: 'release', as: 'first' })
    assert.equal((await client.next('released|rejected', 'first')).code, 'ERR_SLOCKET_NOT_RELEASED')
    client.send({ do: 'plan', plan: noPlan(scene.path) })
    await client.next('granted', 'second')
  },
)

scenario('if no socket can be made, the directory is removed', async (scene) => {
  const client = await scene.spawn('client', WITH_STEPS)
  client.send({ do: 'plan', plan: failEvery(scene.path, 'listen', 'EMFILE') })
  assert.equal((await client.fail(scene.path)).code, 'ERR_SLOCKET_RESOURCES')
  assert.equal(fs.existsSync(scene.path), false)
})

for (const code of ['EPERM', 'ENOTSUP']) {
  scenario(`without hard links (${code}), processes contend as usual, also with one that makes them`, async (scene) => {
    const victims = await Promise.all(['a', 'b', 'c'].map((name) => scene.spawn(name, WITH_STEPS)))
    const clients = [...victims, await scene.spawn('with links')]
    for (const victim of victims) victim.send({ do: 'plan', plan: failEvery(scene.path, 'linkSync', code) })
    for (const client of clients) client.send({ do: 'contend', path: scene.path, rounds: 50, options: LEAVE })
    await Promise.all(clients.map((client) => client.next('done')))
    assert.equal(scene.journal.grants().length, 200)
    await untilGone(scene.path)
  })

  scenario(
    `without hard links (${code}), the queue keeps its order, and a killed holder is detected`,
    async (scene) => {
      const clients = await Promise.all(['holder', 'a', 'b', 'c'].map((name) => scene.spawn(name, WITH_STEPS)))
      const [holder, a, b, c] = clients as [Client, Client, Client, Client]
      for (const client of clients) client.send({ do: 'plan', plan: failEvery(scene.path, 'linkSync', code) })
      await holder.acquire(scene.path)
      for (const waiter of [a, b, c]) await waiter.enqueue(scene.path)
      await b.kill()
      await holder.kill()
      assert.equal((await a.next('granted')).recovered, true)
      await a.release()
      await c.next('granted')
      assert.deepEqual(scene.journal.order(), ['holder', 'a', 'c'])
    },
  )
}
