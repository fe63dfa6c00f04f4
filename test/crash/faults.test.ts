/** Any step on a lock may fail: a clear error, nothing left behind, and never two holders. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import type { Client } from '../helpers/client.ts'
import type { StepPlan } from '../helpers/commands.ts'
import { ticketsIn, untilGone, waitingIn } from '../helpers/lock-directory.ts'
import { openDescriptors } from '../helpers/proc.ts'
import type { Scene } from '../helpers/scenario.ts'
import { scenario } from '../helpers/scenario.ts'
import { failEvery, noPlan, stepsOf, WITH_STEPS } from '../helpers/steps.ts'
import { until } from '../helpers/until.ts'

const LEAVE = { linger: 0 }
const FEWEST_STEPS = 6

/** What an acquire may reject with where a step fails with the code. */
const REJECTIONS: Readonly<Record<string, readonly string[]>> = {
  EMFILE: ['ERR_SLOCKET_RESOURCES'],
  ENOSPC: ['ERR_SLOCKET_RESOURCES'],
  EACCES: ['ERR_SLOCKET_PERMISSION'],
  EROFS: ['ERR_SLOCKET_READ_ONLY'],
  EPERM: ['ERR_SLOCKET_PERMISSION', 'ERR_SLOCKET_NO_SOCKETS'],
}

for (const [code, rejections] of Object.entries(REJECTIONS)) {
  scenario(
    `where any step fails with ${code}, an acquire is granted or says why not, and the next one works`,
    async (scene) => {
      const [victim, other] = await Promise.all([scene.spawn('victim', WITH_STEPS), scene.spawn('other')])
      const play = async (): Promise<readonly string[]> => {
        victim.send({ do: 'acquire', path: scene.path, options: LEAVE })
        await settle(victim, rejections)
        return await stepsOf(victim)
      }
      await eachFault(scene, victim, code, play, async () => {
        await other.acquire(scene.path, LEAVE)
        await other.release()
      })
    },
  )

  scenario(
    `where any step of a waiter fails with ${code}, it waits on or says why not, and the others have their turn`,
    async (scene) => {
      const [victim, holder, last] = await Promise.all([
        scene.spawn('victim', WITH_STEPS),
        scene.spawn('holder'),
        scene.spawn('last'),
      ])
      const play = async (): Promise<readonly string[]> => {
        await holder.acquire(scene.path, LEAVE)
        victim.send({ do: 'acquire', path: scene.path, options: LEAVE })
        await until('the victim waits or has failed', () => victim.hasSaid('rejected') || isWaiting(scene, victim))
        await last.enqueue(scene.path, LEAVE)
        await holder.release()
        await settle(victim, rejections)
        const steps = await stepsOf(victim)
        await last.next('granted')
        await last.release()
        return steps
      }
      await eachFault(scene, victim, code, play, async () => {})
    },
  )
}

/** Plays with each step failing in turn, the first, the second, and so on; then looks that nothing is left of it. */
async function eachFault(
  scene: Scene,
  victim: Client,
  code: string,
  play: () => Promise<readonly string[]>,
  follow: () => Promise<void>,
): Promise<void> {
  await victim.acquire(scene.path, LEAVE)
  await victim.release()
  await victim.ping()
  const descriptors = openDescriptors(victim.pid)
  let at = 0
  for (let steps = Infinity; at < steps; at += 1) {
    const plan: StepPlan = { path: scene.path, at: at + 1, when: 'before', deed: { kind: 'fail', code } }
    victim.send({ do: 'plan', plan })
    const taken = await play()
    // A failure makes it take fewer steps, or more: the last round is the one in which nothing failed.
    if (taken.length <= at) steps = at
    victim.send({ do: 'plan', plan: noPlan(scene.path) })
    const failed = `step ${at + 1}, ${taken[at]}`
    await until(`nothing is left open after ${failed}`, () => openDescriptors(victim.pid) === descriptors)
    await follow()
    assert.deepEqual(ticketsIn(scene.path), [], failed)
    await victim.acquire(scene.path, LEAVE)
    assert.deepEqual(
      ticketsIn(scene.path).map(({ pid }) => pid),
      [victim.pid],
      failed,
    )
    await victim.release()
    await until(`no descriptor is left open after ${failed}`, () => openDescriptors(victim.pid) === descriptors)
  }
  assert.ok(at > FEWEST_STEPS, `only ${at} steps`)
}

/** Takes its turn, or fails as it may. */
async function settle(victim: Client, rejections: readonly string[]): Promise<void> {
  const { event, code, message, isSlocketError } = await victim.next('granted|rejected')
  if (event === 'rejected') {
    assert.ok(isSlocketError, message)
    return assert.ok(rejections.includes(code!), `${code}: ${message}`)
  }
  victim.send({ do: 'release' })
  const released = await victim.next('released|rejected')
  if (released.event === 'rejected') assert.equal(released.code, 'ERR_SLOCKET_NOT_RELEASED')
}

function isWaiting(scene: Scene, client: Client): boolean {
  return waitingIn(scene.path, client.pid).length > 0
}

scenario('where a ticket cannot be unlinked at all, its release frees the lock all the same', async (scene) => {
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
  'where it cannot be unlinked while another ticket of the process holds, that is said, and both go together',
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
  'where it cannot be unlinked for a while, another request of the process has its turn once that has passed',
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

scenario('where no socket can be made, nothing is left of the directory', async (scene) => {
  const client = await scene.spawn('client', WITH_STEPS)
  client.send({ do: 'plan', plan: failEvery(scene.path, 'listen', 'EMFILE') })
  assert.equal((await client.fail(scene.path)).code, 'ERR_SLOCKET_RESOURCES')
  assert.equal(fs.existsSync(scene.path), false)
})

for (const code of ['EPERM', 'ENOTSUP']) {
  scenario(
    `where there are no hard links (${code}), processes contend as ever, also with one that makes them`,
    async (scene) => {
      const victims = await Promise.all(['a', 'b', 'c'].map((name) => scene.spawn(name, WITH_STEPS)))
      const clients = [...victims, await scene.spawn('with links')]
      for (const victim of victims) victim.send({ do: 'plan', plan: failEvery(scene.path, 'linkSync', code) })
      for (const client of clients) client.send({ do: 'contend', path: scene.path, rounds: 50, options: LEAVE })
      await Promise.all(clients.map((client) => client.next('done')))
      assert.equal(scene.journal.grants().length, 200)
      await untilGone(scene.path)
    },
  )

  scenario(
    `where there are no hard links (${code}), the queue keeps its order, and a killed holder is found out`,
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
