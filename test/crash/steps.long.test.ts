/** A process is killed, or stopped, between any two steps that it takes on a lock, from its first to its last. */
import assert from 'node:assert/strict'
import type { Client } from '../helpers/client.ts'
import type { StepPlan } from '../helpers/commands.ts'
import { waitingIn } from '../helpers/lock-directory.ts'
import { useOnceAndCleanUp } from '../helpers/party.ts'
import { isStopped } from '../helpers/proc.ts'
import type { Scene } from '../helpers/scenario.ts'
import { scenario } from '../helpers/scenario.ts'
import { numberOfStep, WITH_STEPS } from '../helpers/steps.ts'
import { until } from '../helpers/until.ts'

/** How many victims are started together. */
const AT_ONCE = 4
/** Fewer than these would mean that they are not counted. */
const FEWEST_STEPS = 8

/** One life: joins, holds, releases and leaves at once. */
const LEAVE = { linger: 0 }
const LIFE = { do: 'contend', rounds: 1, options: LEAVE } as const

for (const when of ['before', 'after'] as const) {
  for (const sync of [false, true]) {
    const call = sync ? ' by slocket.sync' : ''
    scenario(`a process killed ${when} any step that it takes alone${call} blocks nobody`, async (scene) => {
      const follower = await scene.spawn('follower')
      const play = async (victim: Client, start: () => void): Promise<void> => {
        start()
        await doneOrDead(victim)
        await useOnceAndCleanUp(follower, scene.path)
      }
      await eachStep(scene, when, play, sync)
    })
  }

  scenario(`a process killed ${when} any step between a holder and another waiter blocks nobody`, async (scene) => {
    const [holder, waiter] = await scene.spawnAll('holder', 'waiter')
    await eachStep(scene, when, async (victim, start) => {
      await holder.acquire(scene.path, LEAVE)
      start()
      await until('the victim waits or is dead', () => victim.exit !== undefined || isWaiting(scene, victim))
      await waiter.enqueue(scene.path, LEAVE)
      await holder.release()
      await waiter.next('granted')
      await waiter.release()
      await doneOrDead(victim)
      await useOnceAndCleanUp(holder, scene.path)
    })
  })
}

for (const sync of [false, true]) {
  const call = sync ? ' of slocket.sync' : ''
  const title = `a process stopped before any step${call}, and continued, neither loses its turn nor takes that of another`
  scenario(title, async (scene) => {
    const [victim, other] = await Promise.all([scene.spawn('victim', WITH_STEPS), scene.spawn('other')])
    let isDone = false
    let at = 0
    for (; !isDone; at += 1) {
      const plan: StepPlan = { path: scene.path, at: at + 1, when: 'before', deed: { kind: 'stop' } }
      victim.send({ do: 'plan', plan }, { ...LIFE, path: scene.path, sync })
      await until('the victim is stopped or done', () => isStopped(victim.pid) || victim.hasSaid('done'))
      isDone = !isStopped(victim.pid)
      other.send({ do: 'contend', path: scene.path, rounds: 3 })
      victim.continue()
      await Promise.all([victim.next('done'), other.next('done')])
    }
    assert.ok(at > FEWEST_STEPS, `only ${at} steps`)
  })
}

for (const wish of ['acquire', 'try', 'sync'] as const) {
  const title = 'with a number that is lower by then'
  scenario(
    `a process stopped before it links its ticket, ${title}, does not take another one's lock: ${wish}`,
    async (scene) => {
      const [victim, other] = await Promise.all([scene.spawn('victim', WITH_STEPS), scene.spawn('other')])
      const at = await numberOfStep(victim, scene.path, 'linkSync', LEAVE, wish === 'sync')
      victim.send({ do: 'plan', plan: { path: scene.path, at, when: 'before', deed: { kind: 'stop' } } })
      victim.send({ do: wish, path: scene.path })
      await victim.untilStopped()
      await other.acquire(scene.path)
      victim.continue()
      if (wish === 'try') await victim.next('refused')
      else {
        await until('it waits', () => isWaiting(scene, victim))
        await other.release()
        await victim.next('granted')
      }
    },
  )
}

scenario(
  'a process stopped after slocket.sync has seen an empty queue does not take the lock of a process that came meanwhile',
  async (scene) => {
    const [victim, other] = await Promise.all([scene.spawn('victim', WITH_STEPS), scene.spawn('other')])
    const at = await numberOfStep(victim, scene.path, 'readdirSync', LEAVE, true)
    victim.send({ do: 'plan', plan: { path: scene.path, at, when: 'after', deed: { kind: 'stop' } } })
    victim.send({ do: 'sync', path: scene.path })
    await victim.untilStopped()
    await other.acquire(scene.path)
    victim.continue()
    // Its number is the higher one.
    await until('it waits', () => isWaiting(scene, victim))
    await other.release()
    await victim.next('granted')
  },
)

scenario(
  'a process stopped after slocket.sync has linked its ticket does not take the lock of a process that came meanwhile',
  async (scene) => {
    const [victim, other] = await Promise.all([scene.spawn('victim', WITH_STEPS), scene.spawn('other')])
    const at = await numberOfStep(victim, scene.path, 'linkSync', LEAVE, true)
    victim.send({ do: 'plan', plan: { path: scene.path, at, when: 'after', deed: { kind: 'stop' } } })
    victim.send({ do: 'sync', path: scene.path })
    await victim.untilStopped()
    await other.enqueue(scene.path)
    victim.continue()
    // The ticket withdraws, since another one is behind it.
    await other.next('granted')
    await until('it waits', () => isWaiting(scene, victim))
    await other.release()
    await victim.next('granted')
  },
)

/** Starts victims that are killed at the first step, the second, and so on, until one takes no so many. */
async function eachStep(
  scene: Scene,
  when: 'before' | 'after',
  play: (victim: Client, start: () => void) => Promise<void>,
  sync = false,
): Promise<void> {
  let at = 0
  let isDone = false
  while (!isDone) {
    const numbers = Array.from({ length: AT_ONCE }, (_, index) => at + index + 1)
    const victims = await Promise.all(numbers.map((number) => scene.spawn(`victim ${number}`, WITH_STEPS)))
    for (const victim of victims) {
      at += 1
      victim.mayEnd = true
      const plan: StepPlan = { path: scene.path, at, when, deed: { kind: 'kill' } }
      await play(victim, () => victim.send({ do: 'plan', plan }, { ...LIFE, path: scene.path, sync }))
      isDone = victim.exit === undefined
      if (!isDone) assert.equal(victim.exit?.signal, 'SIGKILL', victim.log())
      await victim.kill()
    }
  }
  scene.test.diagnostic(`about ${at - AT_ONCE} steps`)
  assert.ok(at > FEWEST_STEPS, `only ${at} steps`)
}

async function doneOrDead(victim: Client): Promise<void> {
  await until('the victim is done or dead', () => victim.exit !== undefined || victim.hasSaid('done'))
}

function isWaiting(scene: Scene, client: Client): boolean {
  return waitingIn(scene.path, client.pid).length > 0
}
