/**
 * What the command says. Written to the descriptors themselves: `process.stderr` would make the pipe that it may be a
 * non-blocking one, also for the command that inherits it.
 */
import fs from 'node:fs'
import { systemCode } from '../errors.ts'

/** One line of a message. */
export function say(message: string): void {
  write(2, `slocket: ${message}\n`)
}

/** All of `text`. False where nobody reads it. */
export function write(descriptor: 1 | 2, text: string): boolean {
  let rest = Buffer.from(text)
  // Bound: by the reader, who takes what there is or goes.
  while (rest.length > 0) {
    try {
      rest = rest.subarray(fs.writeSync(descriptor, rest))
    } catch (error) {
      const code = systemCode(error)
      if (code === undefined) throw error
      // Somebody else has made it non-blocking, and its reader is slow.
      if (code !== 'EAGAIN') return false
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
    }
  }
  return true
}
