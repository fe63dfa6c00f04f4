/** `slocket break`: takes a lock away from those who hold it. */
import fs from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { QueueDirectory } from '../engines/local/directory.ts'
import { findHolders } from '../engines/local/inspect.ts'
import { takeAway } from '../engines/local/break.ts'
import { parseTicketName } from '../engines/local/ticket-name.ts'
import { printable } from '../errors.ts'
import { slocket } from '../index.ts'
import type { LockRequest } from '../slocket.ts'
import { parseFlags } from './command-line.ts'
import { formatDuration } from './duration.ts'
import { OS_ERROR, UsageError } from './exit-status.ts'
import { SocketOwners } from './find-locks.ts'
import { print, say } from './output.ts'

/** Gives the exit status. */
export async function breakLock(parameters: readonly string[]): Promise<number> {
  const { flags, words } = parseFlags(parameters, { yes: 'y' })
  const [lock, ...others] = words
  if (lock === undefined) throw new UsageError('LOCK is missing')
  if (others.length > 0) throw new UsageError('one LOCK at a time')
  if (process.platform === 'win32') {
    say(`on Windows nobody can take a lock from a process: end the process that 'slocket status' shows`)
    return OS_ERROR
  }
  const directory = new QueueDirectory(path.resolve(lock))
  // Exactly those that are shown, whatever comes meanwhile: the names of tickets are never used again.
  const names = (await findHolders(directory)).map(({ name }) => name)
  const { held, pending, obstacle } = await slocket.query(lock)
  if (names.length === 0) {
    say(obstacle?.message ?? `nobody holds '${lock}'`)
    return 1
  }
  for (const name of names) print(`${describe(lock, name, held)}\n`)
  const waiting = pending.length === 0 ? 'nobody waits' : `${pending.length} waiting: the next one gets it`
  print(`They lose '${printable(lock)}', and are told so, but they go on running. ${waiting}.\n`)
  if (!flags.has('yes') && !(await isConfirmed())) return 1
  await takeAway(directory, names)
  const left = names.filter((name) => directory.has(name))
  if (left.length === 0) return 0
  say(`${left.length} of them cannot be taken away: '${lock}' belongs to another user, or cannot be written to`)
  return OS_ERROR
}

function describe(lock: string, name: string, held: readonly LockRequest[]): string {
  const { pid, claim } = parseTicketName(name)!
  const known = held.find((holder) => holder.pid === pid)
  const owners = known?.command === undefined ? new SocketOwners().of(lock, pid) : []
  const details = [
    claim.kind,
    known?.label === undefined ? undefined : printable(known.label),
    known?.since === undefined ? undefined : `for ${formatDuration(Date.now() - known.since.getTime())}`,
    known?.command === undefined ? undefined : printable(known.command),
    ...owners.map((owner) => `pid ${owner.pid} has its socket: ${printable(owner.command)}`),
  ]
  return `pid ${pid}: ${details.filter((detail) => detail !== undefined).join('; ')}`
}

async function isConfirmed(): Promise<boolean> {
  if (!process.stdin.isTTY && fs.fstatSync(0).isCharacterDevice())
    throw new UsageError('--yes is needed where nobody can be asked')
  print("Take it away from them? Type 'yes': ")
  const lines = createInterface({ input: process.stdin })
  const answer = await new Promise<string>((resolve) => {
    lines.once('line', resolve)
    lines.once('close', () => resolve(''))
  })
  lines.close()
  return answer.trim() === 'yes'
}
