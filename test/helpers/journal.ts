/**
 * A journal of who held what, written by the processes themselves: `+` after a grant, `-` before a release, `!` before a
 * process is killed, `*` when a process starts, `?` after a loss,
 * `~` before a downgrade. Each line is one write to a file that is open for appending, so the lines of all processes are in one
 * order, and holds that overlap in the journal have really overlapped.
 */
import assert from 'node:assert/strict'
import fs from 'node:fs'

export interface JournalGrant {
  readonly kind: '+'
  readonly who: string
  readonly path: string
  readonly as: string
  /** exclusive, shared, or permits:N */
  readonly claim: string
  /** The permits that it takes, if it is more than one. */
  readonly take?: number
  readonly token: string
  readonly recovered: boolean
}

interface JournalEnd {
  readonly kind: '-' | '?' | '~'
  readonly who: string
  readonly path: string
  readonly as: string
}

/** `!`: a process with its threads, or a thread, is about to end. `*`: a process starts. */
interface JournalLife {
  readonly kind: '!' | '*'
  readonly who: string
}

export type JournalEntry = JournalGrant | JournalEnd | JournalLife

/** On Windows: nobody else can open the file meanwhile. Under Wine, simultaneous appends of two processes go to the same place. */
const ALONE = 0x10000000

export class Journal {
  readonly file: string
  readonly #descriptor: number | undefined

  constructor(file: string) {
    this.file = file
    this.#descriptor = process.platform === 'win32' ? undefined : fs.openSync(file, 'a')
  }

  write(entry: JournalEntry): void {
    const line = `${JSON.stringify(entry)}\n`
    if (this.#descriptor !== undefined) return void fs.writeSync(this.#descriptor, line)
    alone(this.file, fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_APPEND, (file) =>
      fs.writeSync(file, line),
    )
  }

  close(): void {
    if (this.#descriptor !== undefined) fs.closeSync(this.#descriptor)
  }

  entries(): JournalEntry[] {
    const text =
      this.#descriptor === undefined
        ? alone(this.file, fs.constants.O_RDONLY | fs.constants.O_CREAT, (file) => fs.readFileSync(file, 'utf8'))
        : fs.readFileSync(this.file, 'utf8')
    const lines = text.split('\n')
    return lines.slice(0, -1).map((line) => JSON.parse(line) as JournalEntry)
  }

  /** All grants, in order. */
  grants(path?: string): JournalGrant[] {
    return this.entries().filter(
      (entry) => entry.kind === '+' && (path === undefined || entry.path === path),
    ) as JournalGrant[]
  }

  /** The holders, in order. */
  order(path?: string): string[] {
    return this.grants(path).map(({ who }) => who)
  }

  /** Fails if two conflicting holders overlap, or if a later exclusive holder has a smaller token. */
  verify(): void {
    const holders = new Map<string, JournalGrant>()
    const dying = new Set<string>()
    const highest = new Map<string, bigint>()
    const entries = this.entries()
    for (const [index, entry] of entries.entries()) {
      switch (entry.kind) {
        case '*':
          dying.delete(entry.who)
          break
        case '+':
          verifyGrant(entry, [...holders.values()], () => entries.slice(Math.max(0, index - 9), index + 1))
          if (entry.claim === 'exclusive') {
            const before = highest.get(entry.path) ?? -1n
            assert.ok(BigInt(entry.token) > before, `token ${entry.token} of ${entry.who} is not larger than ${before}`)
            highest.set(entry.path, BigInt(entry.token))
          }
          // It may hold for a moment between the line about its death and its death.
          if (!isOneOf(entry.who, dying)) holders.set(keyOf(entry), entry)
          break
        case '~': {
          const grant = holders.get(keyOf(entry))
          if (grant !== undefined) holders.set(keyOf(entry), { ...grant, claim: 'shared' })
          break
        }
        case '-':
        case '?':
          holders.delete(keyOf(entry))
          break
        case '!':
          dying.add(entry.who)
          for (const [key, { who }] of holders)
            if (who === entry.who || who.startsWith(`${entry.who}/`)) holders.delete(key)
      }
    }
  }
}

/** Opens the file when nobody else has it open. Bounded: others have it open for one write, or for one read. */
function alone<T>(file: string, flags: number, act: (descriptor: number) => T): T {
  for (;;) {
    let descriptor: number
    try {
      descriptor = fs.openSync(file, flags | ALONE)
    } catch (error) {
      if (!isErrno(error, 'EBUSY')) throw error
      continue
    }
    try {
      return act(descriptor)
    } finally {
      fs.closeSync(descriptor)
    }
  }
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

function keyOf({ who, path, as }: JournalGrant | JournalEnd): string {
  return JSON.stringify([who, path, as])
}

/** True if it is one of the processes, or a thread of one. */
function isOneOf(who: string, processes: ReadonlySet<string>): boolean {
  return processes.has(who) || processes.has(who.split('/')[0]!)
}

function verifyGrant(
  grant: JournalGrant,
  holders: readonly JournalGrant[],
  lastEntries: () => readonly JournalEntry[],
): void {
  const beside = holders.filter(({ path }) => path === grant.path)
  const most =
    (grant.claim.startsWith('permits:') ? Number(grant.claim.slice('permits:'.length)) : 1) - takenBy([grant])
  const counted = grant.claim === 'shared' ? beside.filter(({ claim }) => claim !== 'shared') : beside
  if (takenBy(counted) <= most) return
  const lines = lastEntries().map((entry) => JSON.stringify(entry))
  assert.fail(
    `${grant.who} was granted '${grant.path}' (${grant.claim}) while ${counted.map(({ who }) => who).join(', ')} held it:\n${lines.join('\n')}`,
  )
}

function takenBy(grants: readonly JournalGrant[]): number {
  return grants.reduce((sum, { take = 1 }) => sum + take, 0)
}
