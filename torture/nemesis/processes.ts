/** What befalls processes: they are killed, end by themselves, are stopped, blocked, or lose a thread or worker. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Nemesis } from './nemesis.ts'
import { anyRunning } from './nemesis.ts'

export const kill: Nemesis = {
  everyMs: 600,
  strike(arena, random) {
    const victim = anyRunning(arena, random)
    if (victim === undefined) return
    if (victim.habitat === 'cluster' && random.chance(0.5)) victim.killAlone()
    else victim.kill('SIGKILL')
    arena.count('kills')
  },
}

/** Stopped, and killed while it is stopped. */
export const killStopped: Nemesis = {
  everyMs: 2500,
  async strike(arena, random) {
    const victim = anyRunning(arena, random)
    if (victim === undefined) return
    victim.stop()
    arena.count('stops')
    await sleep(random.below(300))
    victim.kill('SIGKILL')
    arena.count('kills')
  },
}

export const killWorker: Nemesis = {
  everyMs: 1000,
  strike(arena, random) {
    const victims = arena.clients.filter(({ isRunning, workers }) => isRunning && workers.size > 0)
    if (victims.length === 0) return
    const victim = random.pick(victims)
    victim.killWorker(random.pick([...victim.workers.keys()]))
    arena.count('kills')
  },
}

/** SIGTERM, process.exit, an uncaught exception. */
export const end: Nemesis = {
  everyMs: 2500,
  strike(arena, random) {
    const victim = anyRunning(arena, random)
    if (victim === undefined) return
    const how = random.pick(['SIGTERM', 'exit', 'throw'] as const)
    if (how === 'SIGTERM') victim.kill('SIGTERM')
    else victim.order({ do: how })
    arena.count('ends')
  },
}

export const stop: Nemesis = {
  everyMs: 400,
  async strike(arena, random) {
    const victim = anyRunning(arena, random)
    if (victim === undefined) return
    victim.stop()
    arena.count('stops')
    await sleep(random.pick([10, 100, 1000]) * random.fraction())
    victim.continue()
  },
}

/** All at once, as when a laptop's lid is closed. */
export const stopAll: Nemesis = {
  everyMs: 8000,
  async strike(arena, random) {
    const victims = arena.clients.filter(({ isRunning }) => isRunning)
    for (const victim of victims) victim.stop()
    arena.count('stops of all')
    await sleep(random.below(500))
    for (const victim of victims) victim.continue()
  },
}

export const block: Nemesis = {
  everyMs: 500,
  strike(arena, random) {
    anyRunning(arena, random)?.order({ do: 'block', ms: 1 + random.below(random.pick([20, 400])) })
    arena.count('blocked event loops')
  },
}

export const replaceThread: Nemesis = {
  everyMs: 700,
  strike(arena, random) {
    const victims = arena.clients.filter(({ isRunning, habitat }) => isRunning && habitat === 'threads')
    if (victims.length === 0) return
    random.pick(victims).order({ do: 'replace thread' })
    arena.count('threads ended')
  },
}
