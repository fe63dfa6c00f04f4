/** Kills workers with -9, and stops others for a while: mostly whoever holds the lock. */
import { setTimeout as sleep } from 'node:timers/promises'
import { slocket } from '../src/index.ts'
import type { Random } from '../src/testing/random.ts'
import type { Crew } from './crew.ts'
import { lockPath } from './stage.ts'
import type { WorkerProcess } from './worker-process.ts'

export interface Scene {
  readonly directory: string
  readonly crew: Crew
  readonly random: Random
}

/** Until `over` aborts. */
export async function killNowAndThen(scene: Scene, over: AbortSignal): Promise<void> {
  const { crew, random } = scene
  while (await pause(250 + random.below(200), over)) {
    const victim = (random.chance(0.75) ? await holder(scene) : undefined) ?? anyOf(scene)
    if (victim?.isAlive === true && !over.aborted) crew.kill(victim)
  }
}

/** Until `over` aborts. */
export async function stopNowAndThen(scene: Scene, over: AbortSignal): Promise<void> {
  const { random } = scene
  while (await pause(400 + random.below(300), over)) {
    const held = random.chance(0.4) ? await holder(scene) : undefined
    const victim = held ?? anyOf(scene)
    if (victim?.state !== 'running' || over.aborted) continue
    victim.stop()
    // Long enough to be seen: all wait.
    await pause(held === undefined ? 150 + random.below(200) : 400 + random.below(200), over)
    victim.resume()
  }
}

/** While somebody is stopped, an answer takes 200 ms: the holder has mostly gone by then. */
const MOST_QUERIES = 3

/** Who holds the lock, as everybody may ask. By the time of the answer it may have released it: then it is asked again. */
async function holder({ directory, crew }: Scene): Promise<WorkerProcess | undefined> {
  for (let queries = 0; queries < MOST_QUERIES; queries += 1) {
    const { held } = await slocket.query(lockPath(directory))
    const worker = crew.byPid(held[0]?.pid)
    if (worker?.isHolding === true) return worker
  }
  return undefined
}

function anyOf({ crew, random }: Scene): WorkerProcess | undefined {
  const running = crew.workers.filter((worker) => worker.state === 'running')
  return running.length === 0 ? undefined : random.pick(running)
}

/** False when it is over. */
async function pause(ms: number, over: AbortSignal): Promise<boolean> {
  return await sleep(ms, true, { signal: over }).catch(() => false)
}
