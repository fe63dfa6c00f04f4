/** Messages for people while a command waits for a lock. */
import fs from 'node:fs'
import { resolve } from 'node:path'
import tty from 'node:tty'
import { describeObstacle } from '../engines/local/occupant/obstacle.ts'
import { isWaitedFor } from '../requests/obstacle.ts'
import type { LockSnapshot } from '../slocket.ts'
import { quietly } from './quietly.ts'

/** How long a command waits before it says so, in ms: on a terminal, since the line is removed from it again, and elsewhere. */
const ANNOUNCE_MS = 1000
const SAY_MS = 10_000

type Query = () => Promise<{ readonly obstacle?: LockSnapshot['obstacle'] | undefined }>

/**
 * Reports, by calling `notify` once, something at the path that isn't a lock: what is there now, or what a wait finds later. The file that flock(1) locks stays
 * after flock has ended, and perhaps nobody removes it.
 */
export async function reportObstacle(lock: string, query: Query, notify: (message: string) => void): Promise<void> {
  let isNotified = false
  heedWarnings((message) => {
    if (!isNotified) notify(message)
    isNotified = true
  })
  // If lstat fails, the request fails for the same reason, and reports it.
  // The path is resolved as the engine does it: a slash at the end makes no difference.
  const stats = quietly(() => fs.lstatSync(resolve(lock), { throwIfNoEntry: false }))
  if (stats === undefined || stats.isDirectory()) return
  const kind = (await query().catch(() => undefined))?.obstacle?.kind
  if (isNotified || kind === undefined || kind === 'directory' || !isWaitedFor({ kind })) return
  isNotified = true
  notify(describeObstacle(kind, lock).message)
}

/** Passes warnings about a wait for something else at the path to `onObstacle`, which shows them like the other messages of the command. */
function heedWarnings(onObstacle: (message: string) => void): void {
  const usual = process.listeners('warning')
  process.removeAllListeners('warning')
  process.on('warning', (warning: Error & { code?: string }) => {
    if (warning.code === 'SLOCKET_OBSTACLE') onObstacle(warning.message)
    else for (const listener of usual) listener.call(process, warning)
  })
}

/** Says what the command waits for, once that has taken a while. Returns a function that ends this. */
export function announceWait(path: string, query: () => Promise<LockSnapshot>): () => void {
  const stopped = new AbortController()
  const isTerminal = tty.isatty(2)
  const announce = async (): Promise<void> => {
    // It is only a notice: the package may have been replaced since this process was started.
    const { sayWait, showWait } = await import('./wait-line.ts')
    await (isTerminal ? showWait : sayWait)(path, query, stopped.signal)
  }
  const timer = setTimeout(() => void announce().catch(() => {}), isTerminal ? ANNOUNCE_MS : SAY_MS)
  return () => {
    clearTimeout(timer)
    stopped.abort()
  }
}
