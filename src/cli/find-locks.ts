/** Finds the locks below a directory, and who has the socket of a ticket open. By what file names and /proc tell; nothing is asked. */
import fs from 'node:fs'
import path from 'node:path'
import { memberFile } from '../engines/local/member.ts'
import { MEMBERS, parseTicketName } from '../engines/local/ticket-name.ts'
import { linkOf, namesIn, quietly } from './quietly.ts'

/** The flag __SO_ACCEPTCON. */
const LISTENS = '00010000'
/** How deep below a directory locks are looked for. */
const MOST_DEPTH = 32

/** The directory itself, where it is a lock, or the locks below it. Links are not followed, and what cannot be read is passed over. */
export function findLocks(directory: string, depth: number = MOST_DEPTH): string[] {
  if (isLock(directory)) return [directory]
  if (depth === 0) return []
  return directoriesIn(directory).flatMap((name) => findLocks(path.join(directory, name), depth - 1))
}

export function isDirectory(place: string): boolean {
  return quietly(() => fs.statSync(place).isDirectory()) === true
}

/** Whether it looks like one: it has members, or tickets. */
function isLock(directory: string): boolean {
  const names = namesIn(directory)
  return names.some((name) => name === MEMBERS || parseTicketName(name) !== undefined)
}

/** A process that has the socket of a ticket open. */
export interface Owner {
  readonly pid: number
  readonly command: string
}

/**
 * Those who have the socket of one of the tickets of process `pid` in `lock` open: that process, or, where it has ended, whom it has handed the
 * socket on to. None where /proc does not show it, as of other users.
 */
export function ownersOf(lock: string, pid: number): Owner[] {
  const tickets = namesIn(lock).flatMap((name) => parseTicketName(name) ?? [])
  const files = tickets.filter((ticket) => ticket.pid === pid).map(({ member }) => memberFile(member, pid))
  const sockets = new Set(listeningSockets(files).map((inode) => `socket:[${inode}]`))
  if (sockets.size === 0) return []
  const owners: Owner[] = []
  for (const name of namesIn('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const isOwner = namesIn(`/proc/${name}/fd`).some((fd) => sockets.has(linkOf(`/proc/${name}/fd/${fd}`)))
    if (isOwner) owners.push({ pid: Number(name), command: commandOf(Number(name)) })
  }
  return owners
}

/** The inodes of the sockets of these members that listen: proc_pid_net(5). A ticket's own has a number behind the member's name. */
function listeningSockets(files: readonly string[]): string[] {
  return textOf('/proc/net/unix')
    .split('\n')
    .flatMap((line) => {
      const [, , , flags, , , inode, ...words] = line.split(/ +/)
      const name = path.basename(words.join(' '))
      const isTheirs = files.some((file) => name === file || name.startsWith(`${file}.`))
      return flags === LISTENS && isTheirs ? [inode!] : []
    })
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
