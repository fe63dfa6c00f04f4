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

/**
 * Nobody asks for anything new, and nothing else befalls anybody. Whoever waits must have its turn meanwhile: a newcomer
 * that would wake it by chance does not come.
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
