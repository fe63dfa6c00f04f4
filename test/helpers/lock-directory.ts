/** A lock as its directory shows it. */
import fs from 'node:fs'
import { join } from 'node:path'
import { markOf, parseTicketName } from '../../src/engines/local/ticket-name.ts'
import type { TicketName } from '../../src/engines/local/ticket-name.ts'
import { until } from './until.ts'

export type NamedTicket = TicketName & { readonly name: string; readonly isMarked: boolean }

/** The tickets in the directory, in queue order, dead ones too; none where it is gone. */
export function ticketsIn(path: string): NamedTicket[] {
  const names = namesIn(path).sort()
  return names.flatMap((name) => {
    const ticket = parseTicketName(name)
    // On Windows there are no marks.
    const isMarked = process.platform === 'win32' || names.includes(markOf(name))
    return ticket === undefined ? [] : [{ ...ticket, name, isMarked }]
  })
}

/** Resolves once `count` tickets (of the process `pid`, where given) stand in the queue and say that they wait. */
export async function untilWaiting(path: string, count: number, pid?: number): Promise<void> {
  await until(`${count} wait in '${path}'`, () => {
    return (
      ticketsIn(path).filter((ticket) => ticket.isMarked && (pid === undefined || ticket.pid === pid)).length >= count
    )
  })
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
