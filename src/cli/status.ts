/** `slocket status`: shows who holds, who waits, and for how long. */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseFlags } from './command-line.ts'
import { openEngine } from './engine.ts'
import { NO_INPUT, statusOf } from './exit-status.ts'
import { print, say } from './output.ts'
import { lookIn, lookLocally } from './status-look.ts'
import type { LockStatus, Row } from './status-look.ts'
import { toTable } from './status-table.ts'
import { cutEnd } from './width.ts'

const WATCH_MS = 1000
const USUAL_ROWS = 24
/** Moves the cursor home; everything below it is erased at the end. */
const HOME = '\u{1b}[H'
const ERASE_LINE = '\u{1b}[K'
const ERASE_BELOW = '\u{1b}[J'
const LEGEND = 'holds: has the lock  waits: in queue order  FOR: how long it has held or waited'

/** Returns the exit status. */
export async function status(parameters: readonly string[]): Promise<number> {
  const { flags, words, values } = parseFlags(parameters, { json: '', watch: 'w' }, ['engine'])
  const { engine: url } = values
  const look = url === undefined ? () => lookLocally(words) : lookIn(await openEngine(url), words)
  if (flags.has('watch')) return await watch(look, flags.has('json'))
  const found = await look()
  print(flags.has('json') ? toJson(found) : toTable(found, columns()))
  for (const { error, obstacle } of found) {
    const message = error?.message ?? obstacle?.message
    if (message !== undefined) say(message)
  }
  const failure = found.find(({ error }) => error !== undefined)
  if (failure !== undefined) return statusOf(failure.error)
  return found.some(({ obstacle }) => obstacle !== undefined) ? NO_INPUT : 0
}

/** Shows the locks again and again, until nobody reads the output, or until a signal. */
async function watch(look: () => Promise<LockStatus[]>, isJson: boolean): Promise<never> {
  for (let isFirst = true; ; isFirst = false) {
    const found = await look()
    const text = isJson ? `${JSON.stringify(plain(found))}\n` : screen(toTable(found, columns()), isFirst)
    print(text)
    await sleep(WATCH_MS)
  }
}

/** Returns as much of the table as fits on the screen, in place of what was there. */
function screen(table: string, isFirst: boolean): string {
  const head = [`${new Date().toLocaleTimeString()}, again each second; ctrl-C ends it`, LEGEND]
  const all = [...head.map((line) => cutEnd(line, columns())), ...table.split('\n')]
  const lines = all.slice(0, (process.stdout.rows || USUAL_ROWS) - 1)
  return `${isFirst ? '\u{1b}[2J' : ''}${HOME}${lines.map((line) => `${line}${ERASE_LINE}\n`).join('')}${ERASE_BELOW}`
}

function columns(): number {
  // A terminal whose size was never set, such as a serial console, has 0 columns.
  return process.stdout.isTTY ? process.stdout.columns || Infinity : Infinity
}

function toJson(found: readonly LockStatus[]): string {
  return `${JSON.stringify(plain(found), null, 2)}\n`
}

/** The output for programs, according to docs/status.schema.json. */
function plain(found: readonly LockStatus[]): unknown {
  return found.map(({ lock, root, rows, obstacle, error }) => ({
    lock,
    ...(root === undefined ? {} : { root }),
    ...(error === undefined ? {} : { error: error.code }),
    ...(obstacle === undefined ? {} : { obstacle }),
    held: rows.filter(({ state }) => state === 'holds').map(plainRow),
    waiting: rows.filter(({ state }) => state === 'waits').map(plainRow),
  }))
}

function plainRow({ mode, permits, take, pid, since, label, command, answers, owners }: Row): unknown {
  return { mode, permits, take, pid, since, label, command, answers, processes: answers ? undefined : owners }
}
