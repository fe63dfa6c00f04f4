/** A nemesis: a fault that is injected while the clients work. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../../src/testing/random.ts'
import type { Arena } from '../arena.ts'
import type { TortureProcess } from '../process.ts'

export interface Nemesis {
  /** True if it affects the whole machine: it acts only with --dangerous. */
  readonly isDangerous?: boolean
  /** The average time between two actions, in ms. */
  readonly everyMs: number
  /** Acts once. When the promise resolves, the fault is over. */
  strike(arena: Arena, random: Random): Promise<void> | void
}

/** A random client that runs and isn't stopped; undefined if there is none. */
export function anyRunning({ clients }: Arena, random: Random): TortureProcess | undefined {
  const running = clients.filter(({ isRunning }) => isRunning)
  return running.length === 0 ? undefined : random.pick(running)
}

/** A random time until the next action, if they come every `everyMs` on average (Poisson). */
export function pauseMs(random: Random, everyMs: number): number {
  return -Math.log(1 - random.fraction()) * everyMs
}

/** Waits. Returns false if `over` aborts first. */
export async function pause(ms: number, over: AbortSignal): Promise<boolean> {
  return await sleep(ms, true, { signal: over }).catch(() => false)
}
