/** Writes the trace of one client. */
import fs from 'node:fs'
import path from 'node:path'
import type { TracedDeed } from './event.ts'

const SUFFIX = '.trace'

/** The path of the trace of `who`. */
export function traceFile(directory: string, who: string): string {
  return path.join(directory, who + SUFFIX)
}

/** The clients whose traces are in `directory`. */
export function tracedClients(directory: string): string[] {
  return fs.readdirSync(directory).flatMap((name) => (name.endsWith(SUFFIX) ? [name.slice(0, -SUFFIX.length)] : []))
}

export class TraceWriter {
  readonly #descriptor: number
  readonly #clockOffsetNs: bigint

  /** @param clockOffsetNs how far this process's monotonic clock is ahead of the kernel's: time_namespaces(7). */
  constructor(directory: string, who: string, clockOffsetNs: bigint = 0n) {
    this.#descriptor = fs.openSync(traceFile(directory, who), 'a')
    this.#clockOffsetNs = clockOffsetNs
  }

  now(): number {
    return Number(process.hrtime.bigint() - this.#clockOffsetNs)
  }

  write(deed: TracedDeed): void {
    fs.writeSync(this.#descriptor, `${JSON.stringify({ at: this.now(), ...deed })}\n`)
  }

  close(): void {
    fs.closeSync(this.#descriptor)
  }
}
