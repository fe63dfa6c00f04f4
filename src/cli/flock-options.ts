/**
 * Parses the command line of flock(1), of util-linux 2.41: options before FILE only, long options may be abbreviated, and values follow or stand after
 * `=`, as GNU's getopt_long has them.
 */
import { UsageError } from './exit-status.ts'
import { parseSeconds, parseStatus } from './lock-options.ts'
import { shellCommand } from './shell.ts'

export interface FlockRequest {
  readonly file: string
  readonly command: readonly [string, ...string[]]
  readonly isShared: boolean
  /** Releases the lock of a file that was just opened, which has none. */
  readonly isUnlock: boolean
  readonly isTry: boolean
  readonly timeoutMs: number | undefined
  readonly conflictStatus: number
  readonly isClosed: boolean
  readonly isVerbose: boolean
}

/** The long options, with the letters that they stand for. */
const LONG: Readonly<Record<string, string>> = {
  shared: 's',
  exclusive: 'x',
  unlock: 'u',
  nonblocking: 'n',
  nb: 'n',
  timeout: 'w',
  wait: 'w',
  'conflict-exit-code': 'E',
  close: 'o',
  'no-fork': 'F',
  verbose: 'verbose',
  fcntl: 'fcntl',
  start: 'start',
  length: 'length',
  help: 'h',
  version: 'V',
}
const LETTERS = 'sexnoFuwEhV'
const VALUED = new Set(['w', 'E', 'start', 'length'])

interface Option {
  readonly name: string
  readonly value: string | undefined
}

/** @throws UsageError */
export function parseFlock(parameters: readonly string[]): FlockRequest | 'help' | 'version' {
  const { options, words } = splitOptions(parameters)
  const asked = options.find(({ name }) => name === 'h' || name === 'V')
  if (asked !== undefined) return asked.name === 'h' ? 'help' : 'version'
  const has = (name: string): boolean => options.some((option) => option.name === name)
  const valueOf = (name: string): string | undefined => options.findLast((option) => option.name === name)?.value
  const seconds = parseSeconds('-w, --timeout', valueOf('w'))
  const conflictStatus = parseStatus(valueOf('E'))
  const mode = options.findLast(({ name }) => 'sexu'.includes(name))?.name
  if (has('F') && has('o')) throw new UsageError('-F, --no-fork and -o, --close exclude each other')
  if (has('fcntl') || has('start') || has('length'))
    throw new UsageError('--fcntl, --start and --length: there is only one kind of lock, on whole files')
  const [file, ...rest] = words
  if (file === undefined) throw new UsageError('FILE is missing')
  const command = commandOf(rest)
  if (command === undefined) throw new UsageError(descriptorRefusal(file, mode === 'u'))
  return {
    file,
    command,
    isShared: mode === 's',
    isUnlock: mode === 'u',
    isTry: has('n') || seconds === 0,
    timeoutMs: seconds === undefined ? undefined : seconds * 1000,
    conflictStatus,
    isClosed: has('o'),
    isVerbose: has('verbose'),
  }
}

/** Undefined if there is no command. */
function commandOf([first, ...rest]: readonly string[]): readonly [string, ...string[]] | undefined {
  if (first === undefined) return undefined
  if (first !== '-c' && first !== '--command') return [first, ...rest]
  if (rest.length !== 1) throw new UsageError(`${first} takes one shell line and no command`)
  return shellCommand(rest[0]!)
}

/** A process cannot hold this kind of lock through a descriptor of its shell. */
function descriptorRefusal(word: string, isUnlock: boolean): string {
  if (!/^\d+$/.test(word)) return `COMMAND is missing after '${word}'`
  const instead = isUnlock
    ? "'slocket release LOCK' releases the lock that 'slocket hold LOCK' acquired"
    : "write 'slocket hold LOCK || exit' instead of 'exec 9>LOCK; flock 9'"
  return `a file descriptor (${word}) cannot be locked, and nothing is locked now: ${instead}`
}

function splitOptions(parameters: readonly string[]): { options: Option[]; words: readonly string[] } {
  const options: Option[] = []
  const rest = [...parameters]
  // Bound: each round removes a word.
  while (rest.length > 0) {
    const word = rest[0]!
    if (word === '-' || !word.startsWith('-')) break
    rest.shift()
    if (word === '--') break
    if (word.startsWith('--')) options.push(longOption(word.slice(2), rest))
    else options.push(...letters(word.slice(1), rest))
  }
  return { options, words: rest }
}

/** `--timeout=3`, `--timeout 3`, `--time 3`. @param rest the words after it, from which the value is removed. */
function longOption(word: string, rest: string[]): Option {
  const equals = word.indexOf('=')
  const typed = equals === -1 ? word : word.slice(0, equals)
  const candidates = Object.hasOwn(LONG, typed) ? [typed] : Object.keys(LONG).filter((long) => long.startsWith(typed))
  const names = new Set(candidates.map((long) => LONG[long]!))
  const [name] = names
  if (name === undefined) throw new UsageError(`unknown option '--${typed}'`)
  if (names.size > 1) throw new UsageError(`'--${typed}' may be ${candidates.map((long) => `--${long}`).join(' or ')}`)
  if (!VALUED.has(name)) {
    if (equals !== -1) throw new UsageError(`'--${candidates[0]}' takes no value`)
    return { name, value: undefined }
  }
  return { name, value: equals === -1 ? nextWord(`--${candidates[0]}`, rest) : word.slice(equals + 1) }
}

/** `-xn`, `-w3`, `-xw 3`. @param rest as of {@link longOption}. */
function letters(word: string, rest: string[]): Option[] {
  const options: Option[] = []
  for (let at = 0; at < word.length; at += 1) {
    const name = word[at]!
    if (!LETTERS.includes(name)) throw new UsageError(`unknown option '-${name}'`)
    if (!VALUED.has(name)) options.push({ name, value: undefined })
    else return [...options, { name, value: word.slice(at + 1) || nextWord(`-${name}`, rest) }]
  }
  return options
}

function nextWord(option: string, rest: string[]): string {
  const word = rest.shift()
  if (word === undefined) throw new UsageError(`'${option}' takes a value`)
  return word
}
