/** A lock as its directory shows it. */
import fs from 'node:fs'
import { join } from 'node:path'
import { splitByTurn } from '../../src/core/standing.ts'
import { ageMs } from '../../src/engines/local/platform/kernel.ts'
import { parseTicketName } from '../../src/engines/local/ticket-name.ts'
import type { TicketName } from '../../src/engines/local/ticket-name.ts'
import { until } from './until.ts'

/** Joining takes less, as long as nobody stops it. */
const JOINING_MS = 20

export type NamedTicket = TicketName & { readonly name: string }

/** The tickets in the directory, in queue order, dead ones too; none where it is gone. */
export function ticketsIn(path: string): NamedTicket[] {
  return namesIn(path)
    .sort()
    .flatMap((name) => {
      const ticket = parseTicketName(name)
      return ticket === undefined ? [] : [{ ...ticket, name }]
    })
}

/** Those of them (of the process `pid`, where given) that wait: whose turn it is not, and who have had time to join. */
export function waitingIn(path: string, pid?: number): NamedTicket[] {
  const tickets = ticketsIn(path).map((ticket) => ({ ...ticket, live: true, joining: false }))
  return splitByTurn(tickets).pending.filter(
    (ticket) => (pid === undefined || ticket.pid === pid) && Math.abs(ageMs(ticket.number)) >= JOINING_MS,
  )
}

/** Resolves once `count` tickets (of the process `pid`, where given) wait in the queue. */
export async function untilWaiting(path: string, count: number, pid?: number): Promise<void> {
  await until(`${count} wait in '${path}'`, () => waitingIn(path, pid).length >= count)
}

/** Resolves once there is nothing at the path. */
export async function untilGone(path: string): Promise<void> {
  await until(`'${path}' is gone`, () => fs.lstatSync(path, { throwIfNoEntry: false }) === undefined)
}

/** All that is in a directory, with what tells whether it was touched: kind, mode, inode, times and content. */
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
