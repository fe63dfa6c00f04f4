/**
 * The process that holds a lock for a script, started by `slocket hold`.
 *
 *  1. It holds until the script's process has ended, and never releases the lock before, whatever signals ask it to end. If it is killed,
 *     the lock is free, though the script goes on.
 *  2. If the script has ended and the lock was not released, it isn't known how the script ended: the ticket is left behind, dead, and the next
 *     holder has `recovered`.
 *  3. `slocket release` removes the ticket from the queue, and this process sees that its lock is gone.
 */
import fs from 'node:fs'
import net from 'node:net'
import type { Duplex } from 'node:stream'
import { isSlocketError } from '../errors.ts'
import { slocket } from '../index.ts'
import type { Lock } from '../lock.ts'
import { OS_ERROR, statusOf, UsageError } from './exit-status.ts'
import type { KeeperReport, KeeperRequest } from './keeper-protocol.ts'
import { KEEPER_DESCRIPTOR, linesOf, send } from './keeper-protocol.ts'
import { reportObstacle } from './notices.ts'
import type { Identity } from './process-start.ts'
import { isStillRunning } from './process-start.ts'
import { quietly } from './quietly.ts'

/** How often it looks whether the script still runs, in ms. */
const WATCH_MS = 50

const SIGNALS: readonly NodeJS.Signals[] = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2']

/** Ends the process. */
export async function keep([words = '', lock = '']: readonly string[]): Promise<never> {
  const script = parseIdentity(words)
  process.argv = ['slocket', 'hold', '--pid', String(script.pid), lock]
  for (const signal of SIGNALS) process.on(signal, () => {})
  const channel = openChannel()
  const lines = linesOf(channel)
  const caller = new AbortController()
  channel.once('close', () => caller.abort())
  const { done, value } = await lines.next()
  if (done === true) process.exit(OS_ERROR)
  const request = JSON.parse(value) as KeeperRequest
  for (const descriptor of request.inherited) quietly(() => fs.closeSync(descriptor))
  const ended = watch(script)
  const stopped = AbortSignal.any([caller.signal, ended])
  const lockOrReport = await acquire(request, stopped, channel)
  if ('kind' in lockOrReport) {
    const hasEnded: KeeperReport = {
      kind: 'failed',
      status: OS_ERROR,
      message: `process ${script.pid} has ended; nothing is held`,
    }
    await send(channel, ended.aborted ? hasEnded : lockOrReport)
    process.exit(OS_ERROR)
  }
  await hand(lockOrReport, lines, channel, ended)
  await until(ended)
  // The lock is still held at the exit, so the next holder has `recovered`.
  process.exit(0)
}

/** Resolves with the lock, or with the report that there is none. */
async function acquire(request: KeeperRequest, signal: AbortSignal, channel: Duplex): Promise<Lock | KeeperReport> {
  const { lock: path, isTry, access } = request
  const { timeout, ...claim } = request.options
  const options = { ...claim, access, linger: 0, signal }
  const report = (message: string): void => void send(channel, { kind: 'said', message })
  try {
    await reportObstacle(path, async () => await slocket.query(path), report)
    const lock = isTry ? await slocket.try(path, options) : await slocket(path, { ...options, timeout })
    return lock ?? { kind: 'busy', message: `'${path}' is not free` }
  } catch (error) {
    const { message } = error as Error
    if (isSlocketError(error, 'ERR_SLOCKET_TIMEOUT')) return { kind: 'busy', message }
    return { kind: 'failed', status: statusOf(error), message }
  }
}

/** Resolves once `slocket hold` has confirmed that it knows of the lock. If it, or the script, ends before, releases the lock and ends the process. */
async function hand(lock: Lock, lines: AsyncIterator<string>, channel: Duplex, ended: AbortSignal): Promise<void> {
  const { signal } = lock
  const onLost = (): never => process.exit(0)
  if (signal.aborted) onLost()
  signal.addEventListener('abort', onLost)
  await send(channel, { kind: 'held', token: String(lock.token), recovered: lock.recovered })
  // `slocket hold` may be stopped, and the script may end meanwhile.
  const isConfirmed = await Promise.race([
    lines.next().then(({ done }) => done !== true),
    until(ended).then(() => false),
  ])
  if (!isConfirmed) {
    signal.removeEventListener('abort', onLost)
    // If an earlier holder crashed, the script hasn't received `recovered`: the lock isn't released, so that the next holder receives it instead.
    if (!lock.recovered) await lock.release()
    process.exit(OS_ERROR)
  }
  channel.destroy()
  // Otherwise the file system of the script's working directory couldn't be unmounted.
  process.chdir('/')
}

/** Aborts once the script has ended. Keeps the process alive until then. */
function watch(script: Identity): AbortSignal {
  const ended = new AbortController()
  const timer = setInterval(() => {
    if (isStillRunning(script)) return
    clearInterval(timer)
    ended.abort()
  }, WATCH_MS)
  return ended.signal
}

async function until(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
}

function parseIdentity(words: string): Identity {
  const [, pid, start] = /^(\d+):(\d+)$/.exec(words) ?? []
  if (start === undefined) throw new UsageError('unknown command')
  return { pid: Number(pid), start }
}

/** @throws UsageError if this process was not started by `slocket hold`. */
function openChannel(): Duplex {
  if (quietly(() => fs.fstatSync(KEEPER_DESCRIPTOR).isSocket()) !== true) throw new UsageError('unknown command')
  return new net.Socket({ fd: KEEPER_DESCRIPTOR, readable: true, writable: true })
}
