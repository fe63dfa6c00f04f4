/**
 * What the command says. Written to the descriptors themselves: `process.stderr` would make the pipe that it may be a
 * non-blocking one, also for the command that inherits it.
 */
import fs from 'node:fs'
import { systemCode } from '../errors.ts'
import { OutputError } from './exit-status.ts'

/** Writes one line of a message to stderr. If that fails, nobody can be told. */
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

/** Gives the system's error, if there is one. */
function write(descriptor: 1 | 2, text: string): Error | undefined {
  let rest = Buffer.from(text)
  // Bound: by the reader, who takes what there is or goes.
  while (rest.length > 0) {
    try {
      rest = rest.subarray(fs.writeSync(descriptor, rest))
    } catch (error) {
      const code = systemCode(error)
      if (code === undefined) throw error
      // Somebody else has made it non-blocking, and its reader is slow.
      if (code !== 'EAGAIN') return error as Error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
    }
  }
  return undefined
}
