/** A ticket has one name from its join to its release, and no other beside it. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { clockNumber } from '../../src/engines/local/platform/kernel.ts'
import { NUMBER_DIGITS } from '../../src/engines/local/ticket-name.ts'
import type { Client } from '../helpers/client.ts'
import { Impostor, nameOfTicket } from '../helpers/impostor.ts'
import { ticketsIn, untilGone, untilWaiting } from '../helpers/lock-directory.ts'
import type { Scene } from '../helpers/scenario.ts'
import { scenario } from '../helpers/scenario.ts'
import { noPlan, WITH_STEPS } from '../helpers/steps.ts'
import { until } from '../helpers/until.ts'

/** Longer than any test: what is present stays so. */
const STAY = { linger: 600_000 }
const LEAVE = { linger: 0 }
const NO_LOOK = new URL('../fixtures/no-look.js', import.meta.url).href
const AN_HOUR_NS = 3_600_000_000_000n

scenario('a ticket keeps its name from join to release', async (scene) => {
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

scenario('a newcomer removes the tickets of waiters that were killed', async (scene) => {
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

scenario(
  'if the notified ticket was joining in place of another, and is killed, the other one still gets the lock',
  async (scene) => {
    const [holder, joining, waiter] = await Promise.all([
      scene.spawn('holder'),
      scene.spawn('joining', WITH_STEPS),
      // It notices nothing by itself.
      scene.spawn('waiter', { preload: NO_LOOK }),
    ])
    await holder.acquire(scene.path, STAY)
    // From now on the joining one has a connection to the holder.
    await joining.enqueue(scene.path, STAY)
    await holder.release()
    await joining.next('granted')
    await joining.release()
    await holder.acquire(scene.path, STAY)
    await waitFarBehind(scene, waiter)
    // Until both have read what the other has sent: then the waiter sleeps.
    for (let count = 0; count < 5; count += 1) for (const client of [waiter, holder]) await client.ping()
    joining.send(
      { do: 'plan', plan: { ...noPlan(scene.path), every: 'linkSync', when: 'after', deed: { kind: 'stop' } } },
      { do: 'acquire', path: scene.path },
    )
    await joining.untilStopped()
    assert.deepEqual(
      ticketsIn(scene.path).map(({ pid }) => pid),
      [holder, joining, waiter].map(({ pid }) => pid),
    )
    await holder.release()
    await joining.kill()
    await waiter.next('granted')
  },
)

/** Waits with a number that is higher than those of later tickets. */
async function waitFarBehind(scene: Scene, waiter: Client): Promise<void> {
  const dead = await Impostor.listen(scene)
  const number = String(BigInt(clockNumber()) + AN_HOUR_NS).padStart(NUMBER_DIGITS, '0')
  const name = join(scene.path, nameOfTicket({ number }))
  dead.stand(name)
  dead.die()
  waiter.send({ do: 'acquire', path: scene.path })
  await until('it waits', () =>
    ticketsIn(scene.path).some(({ pid, number: own }) => pid === waiter.pid && own > number),
  )
  await untilWaiting(scene.path, 1, waiter.pid)
  fs.rmSync(name, { force: true })
}

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
