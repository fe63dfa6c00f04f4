/** `slocket break`: takes a lock away from its holders. */
import fs from 'node:fs'
import { createInterface } from 'node:readline'
import { breakLocal } from '../engines/local/index.ts'
import { printable } from '../errors.ts'
import { slocket } from '../index.ts'
import type { Requester } from '../requests/engine.ts'
import { parseFlags } from './command-line.ts'
import { formatDuration } from './duration.ts'
import { OS_ERROR, UsageError } from './exit-status.ts'
import { SocketOwners } from './find-locks.ts'
import { checkLockPath } from './lock-path.ts'
import { print, say } from './output.ts'

/** Returns the exit status. */
export async function breakLock(parameters: readonly string[]): Promise<number> {
  const { flags, words } = parseFlags(parameters, { yes: 'y' })
  const [lock, ...others] = words
  if (lock === undefined) throw new UsageError('LOCK is missing')
  if (others.length > 0) throw new UsageError('one LOCK at a time')
  checkLockPath(lock)
  let isFound = false
  let isAgreed = false
  // slocket.break uses the same function. The answer may take minutes, so the function lists the holders once more after it.
  const { taken, left, failure } = await breakLocal(lock, async (found) => {
    isFound = true
    for (const holder of found.flatMap(({ holders }) => holders)) print(`${describe(lock, holder)}\n`)
    const { pending } = await slocket.query(lock)
    const waiting = pending.length === 0 ? 'nobody waits' : `${pending.length} waiting: the next waiter gets it`
    print(`They lose '${printable(lock)}' and are notified, but they go on running. ${waiting}.\n`)
    isAgreed = flags.has('yes') || (await isConfirmed())
    return isAgreed
  })
  if (!isFound) {
    const { obstacle } = await slocket.query(lock)
    say(obstacle?.message ?? `nobody holds '${lock}'`)
  }
  if (!isAgreed) return 1
  if (left.length === 0) return 0
  say(failure(`${left.length} of ${taken.length} holders`).message)
  return OS_ERROR
}

function describe(lock: string, { pid, claim, label, sinceMs, command }: Requester): string {
  const owners = command === undefined && pid !== undefined ? new SocketOwners().of(lock, pid) : []
  const details = [
    claim.kind,
    label === undefined ? undefined : printable(label),
    sinceMs === undefined ? undefined : `for ${formatDuration(Date.now() - sinceMs)}`,
    command === undefined ? undefined : printable(command),
    ...owners.map((owner) => `pid ${owner.pid} has its socket: ${printable(owner.command)}`),
  ]
  return `pid ${pid}: ${details.filter((detail) => detail !== undefined).join('; ')}`
}

async function isConfirmed(): Promise<boolean> {
  if (!process.stdin.isTTY && fs.fstatSync(0).isCharacterDevice())
    throw new UsageError('there is no terminal to confirm on: use --yes')
  print("Take it away from them? Type 'yes': ")
  const lines = createInterface({ input: process.stdin })
  const answer = await new Promise<string>((resolve) => {
    lines.once('line', resolve)
    lines.once('close', () => resolve(''))
  })
  lines.close()
  return answer.trim() === 'yes'
}
