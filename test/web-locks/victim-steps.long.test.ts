// A holder that is stopped at any step of its grant while its lock is stolen, and that then continues; or that waited, and is stopped on its way in.
import assert from 'node:assert/strict'
import { isStopped } from '../helpers/proc.ts'
import { until } from '../helpers/until.ts'
import type { WebClient } from '../helpers/web-client.ts'
import { betweenProcesses } from '../helpers/web-client.ts'

const STEPS = new URL('../fixtures/steps.js', import.meta.url).href
/** Fewer than these would mean that they are not counted. */
const FEWEST_STEPS = 3

for (const mode of ['exclusive', 'shared'] as const) {
  for (const hasWaited of [false, true]) {
    const how = `${mode}${hasWaited ? ', after a wait' : ''}`
    betweenProcesses(
      `stopped at any step of its grant while its lock is stolen: two never hold (${how})`,
      async (scene, t) => {
        const [first, thief] = await scene.startAll(2)
        const victim = await scene.start('process', STEPS)
        let hasStopped = true
        let at = 0
        let thefts = 0
        for (; hasStopped; at += 1) {
          const as = `grant ${at}`
          // Its socket is there: what it does now is the grant.
          await victim.hold('warm', {}, `warm ${at}`)
          await victim.end(`warm ${at}`)
          if (hasWaited) {
            await first!.hold('lock', {}, as)
            await victim.wait('lock', { mode }, as)
          }
          const plan = { path: scene.root, at: at + 1, when: 'before', deed: { kind: 'stop' } } as const
          // Whose answer comes when it has the plan, and which takes no step.
          victim.send({ do: 'plan', plan }, { do: 'descriptors' })
          await victim.next('descriptors')
          if (hasWaited) await first!.end(as)
          else victim.send({ do: 'request', as, name: 'lock', options: { mode } })
          await until('it is stopped, or holds', () => isStopped(victim.pid) || victim.has('called', as))
          hasStopped = isStopped(victim.pid)
          // All of them while it stands still.
          await thief!.hold('lock', { steal: true }, as)
          const [only] = (await thief!.query()).held
          assert.equal(only?.mode, 'exclusive')
          if (hasStopped) victim.continue()
          // Either it has held, and is notified of the loss; or it has never held, and waits for the thief.
          const waits = async (): Promise<boolean> => (await thief!.query()).pending.length === 1
          await until(
            'it is a victim, or waits',
            async () => goOn(victim) && (victim.has('rejected', as) || (await waits())),
          )
          const isVictim = victim.has('rejected', as)
          if (isVictim) {
            thefts += 1
            assert.equal((await victim.next('rejected', as)).kind, 'AbortError')
            await victim.next('called', as)
            assert.equal(await thief!.end(as, 'loot'), 'loot')
          } else {
            assert.equal(victim.has('called', as), false)
            assert.equal(await thief!.end(as, 'loot'), 'loot')
            await until('it holds', () => goOn(victim) && victim.has('called', as))
          }
          victim.send({ do: 'end', as })
          await until('it is over', () => goOn(victim) && (isVictim || victim.has('resolved', as)))
          assert.equal(await thief!.isAvailable('lock'), true)
        }
        t.diagnostic(`${at} steps, victim at ${thefts}`)
        assert.ok(at > FEWEST_STEPS, `only ${at} steps`)
        assert.ok(thefts > 0, 'never a victim')
      },
    )
  }
}

/** It may come to its step only now. */
function goOn(victim: WebClient): true {
  if (isStopped(victim.pid)) victim.continue()
  return true
}
