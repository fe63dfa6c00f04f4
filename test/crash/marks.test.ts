/** A ticket keeps its name from its join to its release; that it waits is said by a second name, the mark, beside it. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import type { Client } from '../helpers/client.ts'
import { ticketsIn, untilGone, untilWaiting } from '../helpers/lock-directory.ts'
import type { Scene } from '../helpers/scenario.ts'
import { scenario } from '../helpers/scenario.ts'
import { noPlan, stepsOf, WITH_STEPS } from '../helpers/steps.ts'
import { until } from '../helpers/until.ts'

/** Longer than any test: what is present stays so. */
const STAY = { linger: 60_000 }
const LEAVE = { linger: 0 }

scenario(
  'a ticket has one name from its join to its release, and its mark is a second one beside it',
  async (scene) => {
    const [holder, waiter] = await Promise.all([scene.spawn('holder'), scene.spawn('waiter', WITH_STEPS)])
    await visit(waiter, scene.path)
    await holder.acquire(scene.path)
    const [held] = namesIn(scene.path)
    waiter.send(
      { do: 'plan', plan: { ...noPlan(scene.path), every: 'connect', deed: { kind: 'stop' } } },
      { do: 'acquire', path: scene.path, options: STAY },
    )
    await waiter.untilStopped()
    const [, name] = namesIn(scene.path)
    assert.deepEqual(namesIn(scene.path), [held, name])
    assert.equal(ticketsIn(scene.path)[1]!.pid, waiter.pid)

    waiter.continue()
    await untilWaiting(scene.path, 1)
    assert.deepEqual(namesIn(scene.path), [held, name, `${name}-w`])
    await holder.release()
    await waiter.next('granted')
    assert.deepEqual(namesIn(scene.path), [name, `${name}-w`])
    await waiter.release()
    assert.deepEqual(namesIn(scene.path), [])
  },
)

scenario('of waiters that were killed a newcomer removes the tickets and the marks', async (scene) => {
  const [holder, waiter, newcomer] = await scene.spawnAll('holder', 'waiter', 'newcomer')
  await holder.acquire(scene.path)
  await waiter.enqueue(scene.path)
  // Stopped first, so that neither sees the other die, and removes what it leaves.
  for (const doomed of [holder, waiter]) await doomed.stop()
  await Promise.all([holder.kill(), waiter.kill()])
  assert.equal(namesIn(scene.path).length, 3)
  await newcomer.acquire(scene.path, LEAVE)
  const [own] = ticketsIn(scene.path)
  assert.ok(namesIn(scene.path).every((name) => name === own?.name || name === `${own?.name}-w`))
  await newcomer.release()
  await untilGone(scene.path)
})

scenario('a listing that misses names newer than itself shows one who marked its ticket meanwhile', async (scene) => {
  const [holder, first, second] = await Promise.all([
    scene.spawn('holder'),
    scene.spawn('first', WITH_STEPS),
    scene.spawn('second', WITH_STEPS),
  ])
  const [listing, mark] = await stepsOfWaiter(scene, holder, first)
  for (const client of [first, second]) await visit(client, scene.path)
  await holder.acquire(scene.path)
  first.send(
    { do: 'plan', plan: { path: scene.path, at: mark, when: 'before', deed: { kind: 'stop' } } },
    { do: 'acquire', path: scene.path },
  )
  await first.untilStopped()
  second.send(
    { do: 'plan', plan: { path: scene.path, at: listing, when: 'before', deed: { kind: 'stop amid' } } },
    { do: 'acquire', path: scene.path },
  )
  await second.untilStopped()
  assert.deepEqual(
    ticketsIn(scene.path).map(({ pid, isMarked }) => [pid, isMarked]),
    [holder, first, second].map(({ pid }) => [pid, false]),
  )

  await holder.release()
  first.continue()
  await first.next('granted')
  second.continue()
  const isWaiting = (): boolean => ticketsIn(scene.path)[1]?.isMarked === true
  await until('it waits, or holds', () => second.hasSaid('granted') || isWaiting())
  assert.equal(second.hasSaid('granted'), false)
  await first.release()
  await second.next('granted')
})

/** Is present from then on, with nobody's connection. */
async function visit(client: Client, path: string): Promise<void> {
  await client.acquire(path, STAY, 'visit')
  await client.release('visit')
}

/** The numbers of the listing by which a present waiter joins, and of its mark. */
async function stepsOfWaiter(scene: Scene, holder: Client, waiter: Client): Promise<[listing: number, mark: number]> {
  const path = join(scene.directory, 'rehearsal')
  await visit(waiter, path)
  await holder.acquire(path)
  waiter.send({ do: 'plan', plan: noPlan(path) })
  await waiter.enqueue(path)
  const steps = await stepsOf(waiter)
  await holder.release()
  await waiter.next('granted')
  await waiter.release()
  const link = steps.indexOf('linkSync')
  const numbers = [steps.indexOf('readdirSync', link) + 1, steps.indexOf('linkSync', link + 1) + 1] as const
  assert.ok(link !== -1 && !numbers.includes(0), steps.join(' '))
  return [...numbers]
}

function namesIn(path: string): string[] {
  return fs
    .readdirSync(path)
    .filter((name) => name !== '.members')
    .sort()
}
