/**
 * What the lock protects: a ledger, of one line for each acquisition, and a counter of those lines, in two files.
 *
 * Nothing here guards itself. Whoever writes reads the counter, appends the next line, and writes the counter later: two at
 * a time would give two lines of one number, and one who dies in between leaves the files one apart.
 */
import fs from 'node:fs'
import path from 'node:path'

export interface Entry {
  readonly number: number
  readonly worker: number
  readonly pid: number
  readonly token: bigint
}

export class Books {
  readonly #ledger: string
  readonly #counter: string

  constructor(directory: string) {
    this.#ledger = path.join(directory, 'ledger')
    this.#counter = path.join(directory, 'counter')
  }

  create(): void {
    fs.writeFileSync(this.#ledger, '')
    this.writeCounter(0)
  }

  /** 0 also where somebody was killed between emptying the file and writing it: whoever does not repair that starts anew. */
  readCounter(): number {
    return Number(fs.readFileSync(this.#counter, 'latin1'))
  }

  writeCounter(count: number): void {
    fs.writeFileSync(this.#counter, `${count}\n`)
  }

  append({ number, worker, pid, token }: Entry): void {
    fs.appendFileSync(this.#ledger, `${number} ${worker} ${pid} ${token}\n`)
  }

  /** Each line of the ledger; undefined for a torn one. */
  readEntries(): (Entry | undefined)[] {
    const lines = fs.readFileSync(this.#ledger, 'latin1').split('\n')
    const tail = lines.pop()
    const entries = lines.map(parseEntry)
    return tail === '' ? entries : [...entries, undefined]
  }

  /**
   * After a holder died: a line that it did not finish never was, and the counter follows the ledger.
   *
   * @returns whether there was anything to repair.
   */
  repair(): boolean {
    const text = fs.readFileSync(this.#ledger, 'latin1')
    const whole = text.lastIndexOf('\n') + 1
    if (whole < text.length) fs.truncateSync(this.#ledger, whole)
    const count = parseEntry(text.slice(0, whole).trimEnd().split('\n').at(-1) ?? '')?.number ?? 0
    const isRight = this.readCounter() === count
    if (!isRight) this.writeCounter(count)
    return !isRight || whole < text.length
  }
}

function parseEntry(line: string): Entry | undefined {
  const fields = /^(\d+) (\d+) (\d+) (\d+)$/.exec(line)
  if (fields === null) return undefined
  const [number, worker, pid] = fields.slice(1).map(Number)
  return { number: number!, worker: worker!, pid: pid!, token: BigInt(fields[4]!) }
}
