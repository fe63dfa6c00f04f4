/**
 * The last one to leave removes the directory just when a newcomer is about to listen in it, and another newcomer makes it
 * anew, before that or right after: the first one joins that one's queue.
 */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import type { Client } from '../helpers/client.ts'
import { waitingIn } from '../helpers/lock-directory.ts'
import type { Scene } from '../helpers/scenario.ts'
import { scenario } from '../helpers/scenario.ts'
import { numberOfStep, WITH_STEPS } from '../helpers/steps.ts'
import { until } from '../helpers/until.ts'

/** A path of the second kind is too long for a socket's address, and is reached by way of a descriptor. */
const PATHS: Readonly<Record<string, (scene: Scene) => string>> = {
  'a short path': (scene) => scene.path,
  'a long path': (scene) => join(scene.directory, 'long'.repeat(50)),
}

for (const [what, pathIn] of Object.entries(PATHS)) {
  scenario(`the directory at ${what} is removed and created again before a newcomer listens in it`, async (scene) => {
    const path = pathIn(scene)
    const [newcomer, other] = await Promise.all([scene.spawn('newcomer', WITH_STEPS), scene.spawn('other')])
    const at = await numberOfStep(newcomer, path, 'listen')
    newcomer.send({ do: 'plan', plan: { path, at, when: 'before', deed: { kind: 'stop' } } }, { do: 'acquire', path })
    await newcomer.untilStopped()
    removeAsTheLastOne(path)
    await other.acquire(path)
    newcomer.continue()
    await untilQueued(path, newcomer)
    await other.release()
    await newcomer.next('granted')
  })

  scenario(
    `the directory at ${what} is removed before a newcomer listens in it, and created again after`,
    async (scene) => {
      const path = pathIn(scene)
      const [newcomer, other] = await Promise.all([scene.spawn('newcomer', WITH_STEPS), scene.spawn('other')])
      const at = await numberOfStep(newcomer, path, 'listen')
      newcomer.send({ do: 'plan', plan: { path, at, when: 'both', deed: { kind: 'stop' } } }, { do: 'acquire', path })
      await newcomer.untilStopped()
      removeAsTheLastOne(path)
      newcomer.continue()
      await newcomer.untilStopped()
      // Listening has failed; the process is about to get that error.
      await other.acquire(path)
      newcomer.continue()
      await untilQueued(path, newcomer)
      await other.release()
      await newcomer.next('granted')
    },
  )
}

async function untilQueued(path: string, newcomer: Client): Promise<void> {
  const isWaiting = (): boolean => waitingIn(path, newcomer.pid).length > 0
  await until('it waits, or has failed', () => newcomer.hasSaid('rejected') || isWaiting())
  assert.ok(!newcomer.hasSaid('rejected'), newcomer.log())
}

function removeAsTheLastOne(path: string): void {
  fs.rmdirSync(join(path, '.members'))
  fs.rmdirSync(path)
}
