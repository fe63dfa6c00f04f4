/** The state of a lock, read from its directory. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { dirname, join } from 'node:path'
import { splitByTurn } from '../../src/core/standing.ts'
import { ageMs } from '../../src/engines/local/platform/kernel.ts'
import { parseTicketName } from '../../src/engines/local/ticket-name.ts'
import type { TicketName } from '../../src/engines/local/ticket-name.ts'
import { until } from './until.ts'

/** The longest time that joining takes, unless a process is stopped. */
const JOINING_MS = 20

export type NamedTicket = TicketName & { readonly name: string }

/** The tickets in the directory, in queue order, dead ones included; empty if the directory is gone. */
export function ticketsIn(path: string): NamedTicket[] {
  return namesIn(path)
    .sort()
    .flatMap((name) => {
      const ticket = parseTicketName(name)
      return ticket === undefined ? [] : [{ ...ticket, name }]
    })
}

/** The tickets (of the process `pid`, if given) that wait: it isn't their turn, and they are old enough to have joined. */
export function waitingIn(path: string, pid?: number): NamedTicket[] {
  const tickets = ticketsIn(path).map((ticket) => ({ ...ticket, live: true, joining: false }))
  return splitByTurn(tickets).pending.filter(
    (ticket) => (pid === undefined || ticket.pid === pid) && Math.abs(ageMs(ticket.number)) >= JOINING_MS,
  )
}

/** Resolves when `count` tickets (of the process `pid`, if given) wait in the queue. */
export async function untilWaiting(path: string, count: number, pid?: number): Promise<void> {
  await until(`${count} wait in '${path}'`, () => waitingIn(path, pid).length >= count)
}

/** Resolves when there is nothing at the path. */
export async function untilGone(path: string): Promise<void> {
  await until(`'${path}' is gone`, () => fs.lstatSync(path, { throwIfNoEntry: false }) === undefined)
}

/**
 * Resolves when there is nothing at the path, after a process has left that did not make the lock's directory. On a file system that
 * keeps no modes (ntfs-3g), the directory stays then, without tickets: docs/decisions/0011-socket-links.md.
 */
export async function untilGoneIfModesAreKept(path: string): Promise<void> {
  // mkdtemp(3) has made the parent directory, for its owner only.
  if ((fs.statSync(dirname(path)).mode & 0o007) === 0) return await untilGone(path)
  assert.deepEqual(ticketsIn(path), [])
}

/** All entries of a directory, with what shows whether they were touched: kind, mode, inode, times and content. */
export function treeOf(directory: string): Record<string, string> {
  const tree: Record<string, string> = {}
  for (const name of ['.', ...fs.readdirSync(directory, { recursive: true }).map(String)].sort()) {
    const stats = fs.lstatSync(join(directory, name), { bigint: true })
    const content = stats.isFile() ? fs.readFileSync(join(directory, name), 'base64') : ''
    tree[name] = [stats.mode, stats.ino, stats.nlink, stats.mtimeNs, stats.ctimeNs, content].join(' ')
  }
  return tree
}

function namesIn(path: string): string[] {
  try {
    return fs.readdirSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
