/** Faults of processes: they are killed, end by themselves, are stopped or blocked, or lose a thread or a worker. */
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

/** Stops a process, and kills it while it is stopped. */
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

/** Ends a process by SIGTERM, process.exit or an uncaught exception. */
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

/** Stops all processes at once, as closing a laptop's lid does. */
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

/**
 * For a while, no client makes a new request, and no other nemesis acts. Every waiter must get its turn meanwhile: no newcomer
 * wakes it by chance.
 */
export const hush: Nemesis = {
  everyMs: 1500,
  async strike(arena, random) {
    const ms = 1300 + random.below(300)
    for (const client of arena.clients) if (client.isReady && !client.isDoomed) client.order({ do: 'hush', ms })
    arena.count('silences')
    await arena.quiet(ms)
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
