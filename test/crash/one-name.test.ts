/** A ticket has one name from its join to its release, and no other beside it. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import type { Client } from '../helpers/client.ts'
import { ticketsIn, untilGone, untilWaiting } from '../helpers/lock-directory.ts'
import { scenario } from '../helpers/scenario.ts'
import { noPlan, WITH_STEPS } from '../helpers/steps.ts'

/** Longer than any test: what is present stays so. */
const STAY = { linger: 60_000 }
const LEAVE = { linger: 0 }

scenario('a ticket has one name from its join to its release, whether it waits or holds', async (scene) => {
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
  assert.deepEqual(namesIn(scene.path), [held, name])
  await holder.release()
  await waiter.next('granted')
  assert.deepEqual(namesIn(scene.path), [name])
  await waiter.release()
  assert.deepEqual(namesIn(scene.path), [])
})

scenario('of waiters that were killed a newcomer removes the tickets', async (scene) => {
  const [holder, waiter, newcomer] = await scene.spawnAll('holder', 'waiter', 'newcomer')
  await holder.acquire(scene.path)
  await waiter.enqueue(scene.path)
  // Stopped first, so that neither sees the other die, and removes what it leaves.
  for (const doomed of [holder, waiter]) await doomed.stop()
  await Promise.all([holder.kill(), waiter.kill()])
  assert.equal(namesIn(scene.path).length, 2)
  await newcomer.acquire(scene.path, LEAVE)
  const [own] = ticketsIn(scene.path)
  assert.deepEqual(namesIn(scene.path), [own?.name])
  await newcomer.release()
  await untilGone(scene.path)
})

/** Is present from then on, with nobody's connection. */
async function visit(client: Client, path: string): Promise<void> {
  await client.acquire(path, STAY, 'visit')
  await client.release('visit')
}

function namesIn(path: string): string[] {
  return fs
    .readdirSync(path)
    .filter((name) => name !== '.members')
    .sort()
}
