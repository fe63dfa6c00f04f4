/** Finds the tickets that keepers have for a script. It only reads file names and /proc and asks no process, so it also finds a keeper that is stopped. */
import fs from 'node:fs'
import path from 'node:path'
import { parseTicketName } from '../engines/local/ticket-name.ts'
import { SocketOwners } from './find-locks.ts'
import { KEEP } from './keeper-protocol.ts'
import type { Identity } from './process-start.ts'
import { namesIn, quietly } from './quietly.ts'

/** Returns the names of the script's tickets in `lock`, whether they hold or wait. */
export function ticketsKeptFor(lock: string, { pid, start }: Identity): string[] {
  const directory = path.resolve(lock)
  const owners = new SocketOwners()
  return namesIn(directory).filter((name) => {
    const keeper = parseTicketName(name)?.pid
    if (keeper === undefined || !isKeeper(keeper, `${pid}:${start}`)) return false
    // The id in a name may be that of a process in another pid namespace: the ticket's process has its socket open.
    return owners.of(directory, keeper).some((owner) => owner.pid === keeper)
  })
}

function isKeeper(pid: number, script: string): boolean {
  const words = (quietly(() => fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8')) ?? '').split('\0')
  const at = words.indexOf(KEEP)
  return at !== -1 && words[at + 1] === script
}
