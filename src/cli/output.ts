/**
 * Writes the output of the command. It writes to the descriptors directly: if stderr is a pipe, `process.stderr` would make it a
 * non-blocking one, also for the command that inherits it.
 */
import fs from 'node:fs'
import { systemCode } from '../errors.ts'
import { OutputError } from './exit-status.ts'

/** Writes one line of a message to stderr. If that fails, there is no way to report it. */
export function say(message: string): void {
  writeError(`slocket: ${message}\n`)
}

/** Writes all of `text` to stdout. @throws OutputError if that fails: the disk is full, or the reader has gone. */
export function print(text: string): void {
  const error = write(1, text)
  if (error !== undefined) throw new OutputError(error)
}

/** Writes all of `text` to stderr. False if that fails. */
export function writeError(text: string): boolean {
  return write(2, text) === undefined
}

/** Returns the system's error, if there is one. */
function write(descriptor: 1 | 2, text: string): Error | undefined {
  let rest = Buffer.from(text)
  // Bound: the reader, which reads what there is or goes away.
  while (rest.length > 0) {
    try {
      rest = rest.subarray(fs.writeSync(descriptor, rest))
    } catch (error) {
      const code = systemCode(error)
      if (code === undefined) throw error
      // Another process has made it non-blocking, and its reader is slow.
      if (code !== 'EAGAIN') return error as Error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
    }
  }
  return undefined
}
