/**
 * `slocket run`: a command under a lock, in place of flock(1).
 *
 *  1. The lock lives as long as the command: it has the ticket's socket open, so the ticket lives though this process be killed.
 *  2. When the command has ended, the lock is released; unless somebody whom it has left behind has the socket still.
 *  3. Descriptors 0, 1 and 2 are the command's: nothing is read from them, and no mode of theirs is changed.
 */
import fs from 'node:fs'
import tty from 'node:tty'
import type { OpenLocal } from '../engines/local/index.ts'
import { openLocal } from '../engines/local/index.ts'
import type { TicketSocket } from '../engines/local/ticket-socket.ts'
import { isSlocketError } from '../errors.ts'
import type { Lock } from '../lock.ts'
import type { Slocket } from '../slocket.ts'
import { createSlocket } from '../slocket.ts'
import { runCommand } from './child.ts'
import { inheritedDescriptors } from './inherited.ts'
import { say } from './output.ts'
import type { RunRequest } from './run-options.ts'
import { parseRun } from './run-options.ts'
import { dieBy, Signals } from './signals.ts'

/** How long it waits before it says so, in ms. */
const ANNOUNCE_MS = 1000

/** Ends the process as the command ended. */
export async function run(parameters: readonly string[]): Promise<void> {
  const request = parseRun(parameters)
  const inherited = inheritedDescriptors()
  const signals = new Signals()
  const local = openLocal()
  if (!request.isQuiet) warnOfFile(request.lock)
  const lock = await acquire(request, local, signals)
  if (signals.early !== undefined) {
    await lock?.release()
    dieBy(signals.early)
  }
  if (lock === null) process.exit(request.conflictStatus)
  if (!request.isQuiet) lock.signal.addEventListener('abort', () => say(String(lock.signal.reason.message)))
  const socket = local.socketOf(request.lock)
  const descriptors = { inherited, lock: request.isClosed ? undefined : socket?.descriptor }
  const ending = await runCommand(request.command, environmentOf(lock), descriptors, signals)
  await giveBack(lock, request, socket)
  leaveTerminalAsItIs()
  // Shells want to know that it was their ctrl-C that ended the command.
  if (ending.signal !== null && signals.cameFromTerminal(ending.signal)) dieBy(ending.signal)
  process.exit(ending.status)
}

/** Null where there is none to be had in time, or where a signal called it off. */
async function acquire(request: RunRequest, { engine }: OpenLocal, { calledOff }: Signals): Promise<Lock | null> {
  const { lock: path, isTry } = request
  const slocket = createSlocket(engine)
  const { timeout, ...options } = { ...request.options, linger: 0, signal: calledOff }
  const stopNotice = isTry || request.isQuiet || !tty.isatty(2) ? undefined : announceWait(slocket, path)
  const from = performance.now()
  try {
    const lock = isTry ? await slocket.try(path, options) : await slocket(path, { ...options, timeout })
    stopNotice?.()
    if (request.isVerbose) say(lock === null ? `'${path}' is not free` : `got '${path}' after ${secondsSince(from)} s`)
    return lock
  } catch (error) {
    stopNotice?.()
    if (calledOff.aborted) return null
    if (!isSlocketError(error, 'ERR_SLOCKET_TIMEOUT')) throw error
    if (request.isVerbose) say(error.message)
    return null
  }
}

/** What flock(1) locks is a file that it leaves behind. To a lock of ours it is somebody else's, and nobody may come to remove it. */
function warnOfFile(path: string): void {
  const stats = fs.lstatSync(path, { throwIfNoEntry: false })
  if (stats?.isFile() !== true) return
  say(`'${path}' is a file: it counts as the lock of another program until it is gone (remove it, or use another name)`)
}

/** Says on the terminal what is waited for, once that has taken a while. Returns what ends that. */
function announceWait(slocket: Slocket, path: string): () => void {
  const stopped = new AbortController()
  const timer = setTimeout(() => {
    void import('./wait-line.ts').then(({ showWait }) => showWait(slocket, path, stopped.signal))
  }, ANNOUNCE_MS)
  return () => {
    clearTimeout(timer)
    stopped.abort()
  }
}

async function giveBack(lock: Lock, request: RunRequest, socket: TicketSocket | undefined): Promise<void> {
  if (!request.isClosed && (await socket?.close()) === true) {
    if (request.isVerbose) say(`a process that the command has left behind keeps '${request.lock}'`)
    return
  }
  try {
    await lock.release()
  } catch (error) {
    say((error as Error).message)
  }
}

/** For the command. */
function environmentOf(lock: Lock): Record<string, string> {
  return { SLOCKET_TOKEN: String(lock.token), SLOCKET_RECOVERED: lock.recovered ? '1' : '0' }
}

/** At its exit, Node sets terminals to what they were at its start, whatever the command has set them to (`stty`). Not those that are closed. */
function leaveTerminalAsItIs(): void {
  for (const descriptor of [0, 1, 2]) if (tty.isatty(descriptor)) fs.closeSync(descriptor)
}

function secondsSince(from: number): string {
  return ((performance.now() - from) / 1000).toFixed(3)
}
