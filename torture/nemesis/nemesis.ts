/** A nemesis: something that befalls the clients while they work. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../../src/testing/random.ts'
import type { Arena } from '../arena.ts'
import type { TortureProcess } from '../process.ts'

export interface Nemesis {
  /** Whether it befalls the whole machine: then it acts only where --dangerous asks for it. */
  readonly isDangerous?: boolean
  /** How long from one deed to the next, in ms, on average. */
  readonly everyMs: number
  /** One deed, from its beginning to its end: what it has taken away is given back when the promise resolves. */
  strike(arena: Arena, random: Random): Promise<void> | void
}

/** Any client that runs, and is not stopped; undefined where there is none. */
export function anyRunning({ clients }: Arena, random: Random): TortureProcess | undefined {
  const running = clients.filter(({ isRunning }) => isRunning)
  return running.length === 0 ? undefined : random.pick(running)
}

/** How long until the next one of many deeds that come one every `everyMs` on average, each at any time (Poisson). */
export function pauseMs(random: Random, everyMs: number): number {
  return -Math.log(1 - random.fraction()) * everyMs
}

/** Waits. False when `over` aborts first. */
export async function pause(ms: number, over: AbortSignal): Promise<boolean> {
  return await sleep(ms, true, { signal: over }).catch(() => false)
}
