/** Finds the locks below a directory, and the processes that have the socket of a ticket open. It only reads file names and /proc; it asks no process. */
import fs from 'node:fs'
import path from 'node:path'
import { memberFile } from '../engines/local/members/member.ts'
import { decodeName, isHashed } from '../engines/local/names/name-coding.ts'
import { isTicketName, parseTicketName } from '../engines/local/ticket-name.ts'
import { isLock } from './is-lock.ts'
import { linkOf, namesIn, quietly } from './quietly.ts'

/** The flag __SO_ACCEPTCON. */
const LISTENS = '00010000'
/** How deep below a directory to look for locks. */
const MOST_DEPTH = 32

/** A lock with a path, or the root of named locks. */
interface Found {
  readonly path: string
  readonly isRoot: boolean
}

/**
 * Returns the directory itself, if it is a lock or the root of named locks, or those below it. Links are not followed, and what cannot be read is skipped
 * silently.
 */
export function findLocks(directory: string, depth: number = MOST_DEPTH): Found[] {
  if (isLock(directory)) return [{ path: directory, isRoot: isRoot(directory) }]
  if (depth === 0) return []
  return directoriesIn(directory).flatMap((name) => findLocks(path.join(directory, name), depth - 1))
}

/** Whether it has queues of names in it. If no name is in use, it looks like a free lock. */
function isRoot(directory: string): boolean {
  return directoriesIn(directory).some((file) => {
    const isName = decodeName(file) !== undefined || isHashed(file)
    return isName && namesIn(path.join(directory, file)).some((name) => isTicketName(name))
  })
}

export function isDirectory(place: string): boolean {
  return quietly(() => fs.statSync(place).isDirectory()) === true
}

/** A process that has the socket of a ticket open. */
export interface Owner {
  readonly pid: number
  readonly command: string
}

/** Knows which process has which socket open, as /proc shows it at the first call: one look at all processes is enough for any number of locks. */
export class SocketOwners {
  #socketsByMember: ReadonlyMap<string, readonly string[]> | undefined
  #ownersBySocket: ReadonlyMap<string, readonly Owner[]> | undefined

  /**
   * Returns the processes that have the socket of one of the tickets of process `pid` in `lock` open: that process first, unless it has ended, and those it
   * has passed the socket to, whose process ids may be smaller. Empty if /proc does not show them, as for other users.
   */
  of(lock: string, pid: number): Owner[] {
    this.#socketsByMember ??= listeningSockets()
    const owners = new Map<number, Owner>()
    for (const name of namesIn(lock)) {
      const ticket = parseTicketName(name)
      if (ticket?.pid !== pid) continue
      for (const socket of this.#socketsByMember.get(memberFile(ticket.member, pid)) ?? [])
        for (const owner of this.#ownersOf(socket)) owners.set(owner.pid, owner)
    }
    const own = owners.get(pid)
    owners.delete(pid)
    const others = [...owners.values()].sort((one, other) => one.pid - other.pid)
    return own === undefined ? others : [own, ...others]
  }

  #ownersOf(socket: string): readonly Owner[] {
    this.#ownersBySocket ??= ownersOf(new Set([...this.#socketsByMember!.values()].flat()))
    return this.#ownersBySocket.get(socket) ?? []
  }
}

/** The sockets of members that a process listens on: by the member's file, `socket:[INODE]`, as proc_pid_net(5) and proc_pid_fd(5) have it. */
function listeningSockets(): Map<string, string[]> {
  const sockets = new Map<string, string[]>()
  for (const line of textOf('/proc/net/unix').split('\n')) {
    const [, , , flags, , , inode, ...words] = line.split(/ +/)
    if (flags !== LISTENS) continue
    // The name of a ticket's own socket is the member's name and a number.
    const file = path.basename(words.join(' ')).split('.').slice(0, 2).join('.')
    sockets.set(file, [...(sockets.get(file) ?? []), `socket:[${inode}]`])
  }
  return sockets
}

function ownersOf(sockets: ReadonlySet<string>): Map<string, Owner[]> {
  const owners = new Map<string, Owner[]>()
  for (const name of namesIn('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const open = new Set(namesIn(`/proc/${name}/fd`).map((fd) => linkOf(`/proc/${name}/fd/${fd}`)))
    const owned = [...open].filter((target) => sockets.has(target))
    if (owned.length === 0) continue
    const owner = { pid: Number(name), command: commandOf(Number(name)) }
    for (const socket of owned) owners.set(socket, [...(owners.get(socket) ?? []), owner])
  }
  return owners
}

function commandOf(pid: number): string {
  return textOf(`/proc/${pid}/cmdline`).replace(/\0$/, '').replaceAll('\0', ' ')
}

function textOf(file: string): string {
  return quietly(() => fs.readFileSync(file, 'utf8')) ?? ''
}

function directoriesIn(directory: string): string[] {
  const entries = quietly(() => fs.readdirSync(directory, { withFileTypes: true })) ?? []
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort()
}
