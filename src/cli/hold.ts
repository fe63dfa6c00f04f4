/**
 * `slocket hold`: holds a lock for the rest of a script.
 *
 *  1. A process in the background, the keeper, asks for the lock and holds it. This process waits for its report and shows the wait meanwhile.
 *  2. The keeper holds until the script has ended, or the lock is released: see keeper.ts and release.ts. It isn't a child of the script,
 *     and has nothing open that belongs to the script: no output, no terminal, no pipe.
 *  3. No keeper holds for a script that doesn't know of it: if this process dies before it has confirmed, the keeper releases the lock.
 */
import path from 'node:path'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import fs from 'node:fs'
import type { Duplex } from 'node:stream'
import { SlocketError, systemCode } from '../errors.ts'
import { slocket } from '../index.ts'
import type { LockSnapshot } from '../slocket.ts'
import { OS_ERROR } from './exit-status.ts'
import type { HoldRequest } from './hold-options.ts'
import { parseHold } from './hold-options.ts'
import { ticketsKeptFor } from './kept-tickets.ts'
import type { KeeperReport } from './keeper-protocol.ts'
import { KEEP, KEEPER_DESCRIPTOR, linesOf, send } from './keeper-protocol.ts'
import { announceWait } from './notices.ts'
import { print, say } from './output.ts'
import { makeParents } from '../engines/local/parents.ts'
import { namesIn, quietly } from './quietly.ts'

/** Returns the exit status. @param program the file of this command. */
export async function hold(parameters: readonly string[], program: string): Promise<number> {
  const request = parseHold(parameters)
  if (request.makesParents) makeParents(path.resolve(request.lock))
  refuseSecond(request)
  const inherited = descriptorsOnExec()
  const keeper = await startKeeper(request, program)
  const channel = keeper.stdio[KEEPER_DESCRIPTOR] as Duplex
  const lines = linesOf(channel)
  const { lock, options, isTry, access } = request
  await send(channel, { lock, options, isTry, access, inherited })
  const isAnnounced = !isTry && !request.isQuiet
  const stopNotice = isAnnounced ? announceWait(lock, async () => await queryFor(keeper, lock)) : () => {}
  const from = performance.now()
  try {
    // Bound: the keeper's reports, which end when it ends at the latest.
    for (;;) {
      const { done, value } = await lines.next()
      if (done === true) break
      const report = JSON.parse(value) as KeeperReport
      if (report.kind === 'said') {
        if (!request.isQuiet) say(report.message)
        continue
      }
      stopNotice()
      return await finish(report, request, channel, from)
    }
  } finally {
    stopNotice()
    channel.destroy()
    keeper.unref()
  }
  say(`the keeper of '${lock}' was killed; nothing is held`)
  return OS_ERROR
}

async function finish(
  report: Exclude<KeeperReport, { kind: 'said' }>,
  request: HoldRequest,
  channel: Duplex,
  from: number,
): Promise<number> {
  if (report.kind === 'busy') {
    if (request.isVerbose) say(report.message)
    return request.conflictStatus
  }
  if (report.kind === 'failed') {
    say(report.message)
    return report.status
  }
  const { token, recovered } = report
  // If this cannot be written, the caller does not have what it has asked for, and the lock is released.
  if (request.printsEnvironment) print(`export SLOCKET_TOKEN=${token} SLOCKET_RECOVERED=${recovered ? '1' : '0'}\n`)
  await send(channel)
  if (request.isVerbose) say(`got '${request.lock}' after ${((performance.now() - from) / 1000).toFixed(3)} s`)
  return 0
}

/** Refuses a second lock at the same path: the script would wait for itself forever. @throws ERR_SLOCKET_DEADLOCK. */
function refuseSecond({ lock, script }: HoldRequest): void {
  if (ticketsKeptFor(lock, script).length === 0) return
  throw new SlocketError(
    'ERR_SLOCKET_DEADLOCK',
    `process ${script.pid} already holds '${lock}', or waits for it: 'slocket release' releases it`,
  )
}

/** @throws ERR_SLOCKET_RESOURCES if no process can be started. */
async function startKeeper({ lock, script }: HoldRequest, program: string): Promise<ChildProcess> {
  const words = [...process.execArgv, program, KEEP, `${script.pid}:${script.start}`, lock]
  try {
    const keeper = spawn(process.execPath, words, { stdio: ['ignore', 'ignore', 'ignore', 'pipe'], detached: true })
    // Node throws some failures of the system, and reports the rest as an event.
    if (keeper.pid === undefined) throw await new Promise((resolve) => keeper.once('error', resolve))
    return keeper
  } catch (error) {
    const code = systemCode(error)
    if (code === undefined) throw error
    throw new SlocketError('ERR_SLOCKET_RESOURCES', `the keeper cannot be started (${code})`, { cause: error })
  }
}

/** Returns the queue as the keeper sees it: the keeper's place in it counts as this process's own. */
async function queryFor(keeper: ChildProcess, lock: string): Promise<LockSnapshot> {
  const snapshot = await slocket.query(lock)
  return { ...snapshot, pending: snapshot.pending.map((one) => ({ ...one, self: one.pid === keeper.pid })) }
}

/** The descriptors that a new process inherits unintentionally. Node has marked all others to be closed on exec (proc_pid_fdinfo(5)). */
function descriptorsOnExec(): number[] {
  const CLOSED = 0o2000000
  return namesIn('/proc/self/fd')
    .map(Number)
    .filter((descriptor) => {
      const text = quietly(() => fs.readFileSync(`/proc/self/fdinfo/${descriptor}`, 'latin1')) ?? ''
      const [, flags] = /^flags:\s*([0-7]+)$/m.exec(text) ?? []
      return descriptor > KEEPER_DESCRIPTOR && flags !== undefined && (parseInt(flags, 8) & CLOSED) === 0
    })
}
