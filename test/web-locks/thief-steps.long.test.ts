// A thief that is stopped, or killed, at whatever step of its theft.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import type { StepPlan } from '../helpers/commands.ts'
import { isStopped } from '../helpers/proc.ts'
import { until } from '../helpers/until.ts'
import type { WebClient, WebScene } from '../helpers/web-client.ts'
import { betweenProcesses } from '../helpers/web-client.ts'

const STEAL = { steal: true } as const
const STEPS = new URL('../fixtures/steps.js', import.meta.url).href
/** How many victims are started together. */
const AT_ONCE = 4
/** Fewer than these would mean that they are not counted. */
const FEWEST_STEPS = 8

betweenProcesses(
  'a thief stopped before any step keeps no other thief out, and gets its turn when it continues',
  async (scene, t) => {
    const [holder, waiter, second] = await scene.startAll(3)
    const thief = await scene.start('process', STEPS)
    let hasStopped = true
    let at = 0
    for (; hasStopped; at += 1) {
      const as = `theft ${at}`
      hasStopped = false
      await holder!.hold('lock', {}, as)
      await waiter!.wait('lock', {}, as)
      startTheft(scene, thief, as, { at: at + 1, when: 'before', deed: { kind: 'stop' } })
      await until('the thief is stopped, or has the lock', () => isStopped(thief.pid) || thief.has('called', as))
      await second!.hold('lock', STEAL, as)
      assert.equal((await holder!.next('rejected', as)).kind, 'AbortError')
      assert.equal(waiter!.has('called', as), false)
      await second!.end(as)
      // It may come to that step only now: if its lock is stolen, or if it releases.
      const goingOn = async (what: string, condition: () => boolean): Promise<void> => {
        await until(what, () => {
          if (isStopped(thief.pid)) {
            hasStopped = true
            thief.continue()
          }
          return condition()
        })
      }
      await goingOn('the thief has the lock', () => thief.has('called', as))
      // It may be a victim itself, and then the other thief may have the lock; or it has stolen from that one.
      const isVictim = (client: WebClient): boolean => client.has('rejected', as)
      await goingOn('one holds', () => isVictim(thief) || !waiter!.has('called', as) || isVictim(waiter!))
      thief.send({ do: 'end', as })
      await goingOn('the next one has the lock', () => waiter!.has('called', as))
      waiter!.send({ do: 'end', as })
      const hasSettled = (client: WebClient): boolean => client.has('resolved', as) || isVictim(client)
      await goingOn('both have settled', () => hasSettled(thief) && hasSettled(waiter!))
      assert.equal(await second!.isAvailable('lock'), true)
    }
    t.diagnostic(`${at - 1} steps`)
    assert.ok(at > FEWEST_STEPS, `only ${at} steps`)
  },
)

betweenProcesses(
  "a thief killed before any step has stolen or not; the lock is the holder's, or the next waiter's",
  async (scene, t) => {
    const [holder, waiter] = await scene.startAll(2)
    let thefts = 0
    let at = 0
    let isDone = false
    while (!isDone) {
      const victims = await Promise.all(Array.from({ length: AT_ONCE }, () => scene.start('process', STEPS)))
      for (const victim of victims) {
        at += 1
        const as = `theft ${at}`
        await holder!.hold('lock', {}, as)
        await waiter!.wait('lock', {}, as)
        // Its socket is there: what it does now is the theft.
        await victim.hold('warm')
        await victim.end('warm')
        startTheft(scene, victim, as, { at, when: 'before', deed: { kind: 'kill' } })
        await until('the thief is dead, or has the lock', () => victim.isDead || victim.has('called', as))
        isDone = !victim.isDead
        await victim.kill()
        if (holds(scene, holder!)) {
          await waiter!.query()
          assert.equal(waiter!.has('called', as), false)
          await holder!.end(as)
        } else {
          thefts += 1
          assert.equal((await holder!.next('rejected', as)).kind, 'AbortError')
        }
        await waiter!.next('called', as)
        await waiter!.end(as)
      }
    }
    t.diagnostic(`about ${at - AT_ONCE} steps, ${thefts} thefts`)
    assert.ok(at > FEWEST_STEPS, `only ${at} steps`)
  },
)

function startTheft(scene: WebScene, thief: WebClient, as: string, plan: Omit<StepPlan, 'path'>): void {
  thief.send({ do: 'plan', plan: { ...plan, path: scene.root } }, { do: 'request', as, name: 'lock', options: STEAL })
}

/** Whether its lock was not stolen. */
function holds(scene: WebScene, { pid }: WebClient): boolean {
  return fs
    .readdirSync(path.join(scene.root, 'lock'))
    .some((name) => name.includes(`-x-${pid}-`) && name.endsWith('-h'))
}
