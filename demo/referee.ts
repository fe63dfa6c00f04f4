/** Judges whether the lock has kept what it promises. Says what is wrong, in words; nothing when all is well. */
import type { Books } from './books.ts'
import type { Chronicle, Granted } from './chronicle.ts'
import { nsToMs } from './messages.ts'
import { successorOf } from './takeover.ts'

export interface Verdict {
  readonly lines: number
  readonly counter: number
  readonly faults: readonly string[]
}

export function judge(books: Books, chronicle: Chronicle): Verdict {
  const lines = books.readEntries().length
  const counter = books.readCounter()
  const faults = [
    ...firstFew(chronicle.faults),
    ...firstFew(judgeOverlaps(chronicle)),
    ...firstFew(judgeLedger(books)),
    ...(counter === lines ? [] : [`the ledger has ${lines} lines, and the counter says ${counter}`]),
    ...firstFew(judgeMissing(books, chronicle)),
    ...firstFew(judgeRecovered(chronicle)),
  ]
  return { lines, counter, faults }
}

const MOST_OF_A_KIND = 4

function firstFew(faults: readonly string[]): string[] {
  const more = faults.length - MOST_OF_A_KIND
  return [...faults.slice(0, MOST_OF_A_KIND), ...(more > 0 ? [`and ${more} more like that`] : [])]
}

/** Numbers go 1, 2, 3…; tokens grow; no line is torn. */
function judgeLedger(books: Books): string[] {
  const faults: string[] = []
  let lastToken = 0n
  for (const [index, entry] of books.readEntries().entries()) {
    const line = `line ${index + 1} of the ledger`
    if (entry === undefined) {
      faults.push(`${line} is torn`)
      continue
    }
    const { number, worker, pid, token } = entry
    if (number !== index + 1) faults.push(`${line} has the number ${number}, by worker ${worker} (pid ${pid})`)
    if (token <= lastToken) faults.push(`${line} has the token ${token}, after ${lastToken}`)
    lastToken = token
  }
  return faults
}

/** Each grant has its line, unless its holder was killed; each line has its grant. */
function judgeMissing(books: Books, { grants, kills }: Chronicle): string[] {
  const faults: string[] = []
  const written = new Set(books.readEntries().map((entry) => entry?.token))
  const granted = new Set(grants.map((grant) => grant.token))
  const killed = new Set(kills.map((kill) => kill.held?.token))
  for (const { worker, token } of grants) {
    if (!written.has(token) && !killed.has(token))
      faults.push(`worker ${worker} had token ${token}, and its line is lost`)
  }
  for (const token of written) {
    if (token !== undefined && !granted.has(token)) faults.push(`nobody was granted the token ${token} of the ledger`)
  }
  return faults
}

/** No two held at a time. */
function judgeOverlaps({ grants }: Chronicle): string[] {
  const faults: string[] = []
  let last: Granted | undefined
  for (const grant of [...grants].sort((a, b) => Number(a.atNs - b.atNs))) {
    if (last?.endNs !== undefined && grant.atNs < last.endNs) {
      const ms = nsToMs(last.endNs - grant.atNs).toFixed(3)
      faults.push(`worker ${grant.worker} had the lock ${ms} ms before worker ${last.worker} gave it back`)
    }
    last = grant
  }
  return faults
}

/** Whoever came after a killed holder was told. */
function judgeRecovered({ kills, grants }: Chronicle): string[] {
  const faults: string[] = []
  for (const kill of kills) {
    const next = successorOf(kill, grants)
    if (kill.held === undefined || next?.recovered === true) continue
    const after = `after worker ${kill.worker} was killed as the holder`
    faults.push(
      next === undefined ? `nobody had the lock ${after}` : `worker ${next.worker} was not told 'recovered' ${after}`,
    )
  }
  return faults
}
