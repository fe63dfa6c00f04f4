/** Formats the output of `slocket status` for people: a table that fits the terminal. */
import { printable } from '../errors.ts'
import { formatDuration } from './duration.ts'
import { paint } from './paint.ts'
import type { LockStatus, Row } from './status-look.ts'
import { cutEnd, cutStart, padTo, widthOf } from './width.ts'

const HEAD = ['LOCK', 'STATE', 'MODE', 'PID', 'FOR', 'LABEL', 'COMMAND']
const [LOCK, STATE, LABEL, COMMAND] = [0, 1, 5, 6]
const GAP = '  '
/** The columns that are cut if the table is too wide, in this order, and their minimum widths. */
const CUTS: readonly (readonly [column: number, least: number])[] = [
  [COMMAND, 20],
  [LABEL, 8],
  [LOCK, 16],
  [COMMAND, 7],
  [LABEL, 5],
  [LOCK, 8],
]

/** A row of the table, or a line across it. */
type Line = readonly string[] | string

/** @param columns the columns of the terminal. Infinity if there is none. */
export function toTable(found: readonly LockStatus[], columns: number): string {
  if (found.length === 0) return 'no locks here\n'
  const lines: Line[] = [HEAD, ...found.flatMap((status, index) => linesOf(status, found[index - 1]?.root))]
  const rows = lines.filter((line) => typeof line !== 'string')
  const widths = fit(
    HEAD.map((_, column) => rows.reduce((width, row) => Math.max(width, widthOf(row[column] ?? '')), 0)),
    columns,
  )
  return lines
    .map((line, index) => {
      const text = cutEnd(typeof line === 'string' ? line : toText(line, widths), columns)
      return `${index === 0 || typeof line === 'string' ? paint('bold', text) : colour(text, line[STATE]!)}\n`
    })
    .join('')
}

/** @param rootBefore the root of the lock before it: names are grouped by their roots. */
function linesOf({ lock, root, rows, obstacle, error }: LockStatus, rootBefore: string | undefined): Line[] {
  const heading = root === undefined || root === rootBefore ? [] : [`named locks in ${printable(root)}:`]
  const name = root === undefined ? printable(lock) : `  ${lock === '' ? "''" : printable(lock)}`
  if (error !== undefined) return [...heading, [name, 'unknown']]
  if (rows.length > 0) return [...heading, ...rows.map((row, index) => [index === 0 ? name : '', ...cellsOf(row)])]
  return [...heading, [name, obstacle === undefined ? 'free' : `blocked (${obstacle.kind})`]]
}

/** Returns the widths of the columns, reduced as far as that helps. */
function fit(widths: readonly number[], columns: number): number[] {
  const fitting = [...widths]
  for (const [column, least] of CUTS) {
    const tooMuch = fitting.reduce((sum, width) => sum + width, GAP.length * (widths.length - 1)) - columns
    if (tooMuch <= 0) break
    fitting[column] = Math.max(Math.min(least, fitting[column]!), fitting[column]! - tooMuch)
  }
  return fitting
}

function toText(row: readonly string[], widths: readonly number[]): string {
  return row
    .map((cell, column) => {
      const width = widths[column]!
      // The end of a path says most.
      return padTo(column === LOCK ? cutStart(cell, width) : cutEnd(cell, width), width)
    })
    .join(GAP)
    .trimEnd()
}

function colour(text: string, state: string): string {
  return state === 'holds' ? paint('green', text) : state === 'waits' ? paint('yellow', text) : text
}

function cellsOf(row: Row): string[] {
  const mode = row.permits === undefined ? row.mode : `${row.take ?? 1} of ${row.permits}`
  const duration = row.since === undefined ? '-' : formatDuration(Date.now() - row.since.getTime())
  return [row.state, mode, String(row.pid ?? '-'), duration, printable(row.label ?? '-'), printable(commandOf(row))]
}

function commandOf({ pid, command, answers, owners }: Row): string {
  if (answers) return command ?? ''
  const [owner] = owners
  if (owner === undefined) return '(does not answer)'
  if (owner.pid === pid) return `${owner.command} (does not answer)`
  return `(has ended; pid ${owner.pid} keeps its lock: ${owner.command})`
}
