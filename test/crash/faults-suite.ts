/** Each step on a lock fails in turn: a clear error, nothing left behind, and never two holders. */
import assert from 'node:assert/strict'
import type { Client } from '../helpers/client.ts'
import type { StepPlan } from '../helpers/commands.ts'
import { ticketsIn, waitingIn } from '../helpers/lock-directory.ts'
import { openDescriptors } from '../helpers/proc.ts'
import type { Scene } from '../helpers/scenario.ts'
import { scenario } from '../helpers/scenario.ts'
import { noPlan, stepsOf, WITH_STEPS } from '../helpers/steps.ts'
import { until } from '../helpers/until.ts'

const LEAVE = { linger: 0 }
const FEWEST_STEPS = 6

/** What an acquire may reject with where a step fails with the code. */
const REJECTIONS = {
  EMFILE: ['ERR_SLOCKET_RESOURCES'],
  ENOSPC: ['ERR_SLOCKET_RESOURCES'],
  EACCES: ['ERR_SLOCKET_PERMISSION'],
  EROFS: ['ERR_SLOCKET_READ_ONLY'],
  EPERM: ['ERR_SLOCKET_PERMISSION', 'ERR_SLOCKET_NO_SOCKETS'],
} as const

/** @param code that of the system error with which each step fails */
export function testFaults(code: keyof typeof REJECTIONS): void {
  const rejections = REJECTIONS[code]
  scenario(
    `if any step fails with ${code}, an acquire is granted or reports why not, and the next one works`,
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
    `if any step of a waiter fails with ${code}, it continues to wait or reports why not, and others get their turn`,
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
