/** All commands except `run` and `flock`. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { UsageError } from './exit-status.ts'
import { HELP } from './help.ts'
import { KEEP } from './keeper-protocol.ts'
import { print } from './output.ts'

type Command = (parameters: readonly string[], program: string) => number | Promise<number>

const COMMANDS: Readonly<Record<string, Command>> = {
  hold: async (parameters, program) => await (await import('./hold.ts')).hold(parameters, program),
  release: async (parameters) => await (await import('./release.ts')).release(parameters),
  status: async (parameters) => await (await import('./status.ts')).status(parameters),
  break: async (parameters) => await (await import('./break.ts')).breakLock(parameters),
  doctor: async (parameters, program) => await (await import('./doctor.ts')).doctor(parameters, program),
  completion: async (parameters) => (await import('./completion.ts')).completion(parameters),
  help: ([name]) => help(name),
}
/** Called by `slocket hold` only. */
const INTERNAL: Readonly<Record<string, Command>> = {
  [KEEP]: async (parameters) => await (await import('./keeper.ts')).keep(parameters),
}
/** How many letters of a misspelled command may differ from its name. */
const MOST_DIFFERENT = 2

/** @param program the file that this command is. @throws UsageError */
export async function runCommandNamed(
  name: string | undefined,
  parameters: readonly string[],
  program: string,
): Promise<number> {
  if (name === undefined) throw new UsageError('COMMAND is missing')
  if (name === '--help' || name === '-h') return help(undefined)
  if (name === '--version' || name === '-V') return version()
  if (Object.hasOwn(HELP, name) && parameters.some((word) => word === '--help' || word === '-h')) return help(name)
  const all = { ...INTERNAL, ...COMMANDS }
  const command = Object.hasOwn(all, name) ? all[name] : undefined
  if (command === undefined) throw new UsageError(`unknown command${suggestion(name)}`)
  return await command(parameters, program)
}

function help(name: string | undefined): number {
  const text = HELP[name === 'help' ? '' : (name ?? '')]
  if (text === undefined) throw new UsageError(`unknown command: ${name}${suggestion(name!)}`)
  print(text.slice(1))
  return 0
}

function version(): number {
  // package.json is beside dist/, wherever in dist/ this file is. Bound: a root is its own parent.
  for (let up = import.meta.dirname; up !== path.dirname(up); up = path.dirname(up)) {
    const number = versionIn(() => readFileSync(path.join(up, 'package.json'), 'utf8'))
    if (number === undefined) continue
    print(`slocket ${number}\n`)
    return 0
  }
  return 1
}

/** Undefined if the file isn't a package.json, or is that of another package. */
function versionIn(read: () => string): string | undefined {
  try {
    const { name, version: number } = JSON.parse(read()) as Record<string, string>
    return name === 'slocket' ? number : undefined
  } catch {
    return undefined
  }
}

function suggestion(name: string): string {
  const known = ['run', 'flock', ...Object.keys(COMMANDS)]
  const distances = known.map((other) => distance(name, other))
  const least = Math.min(...distances)
  const nearest =
    known.find((other) => other.startsWith(name)) ??
    (least <= MOST_DIFFERENT ? known[distances.indexOf(least)] : undefined)
  return nearest === undefined ? '' : `; did you mean '${nearest}'?`
}

/** Returns how many letters have to be changed, inserted or removed (Levenshtein). */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (const [index, letter] of from.split('').entries()) {
    const next = [index + 1]
    for (let at = 1; at <= to.length; at += 1) {
      next.push(Math.min(row[at]! + 1, next[at - 1]! + 1, row[at - 1]! + (letter === to[at - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[to.length]!
}
