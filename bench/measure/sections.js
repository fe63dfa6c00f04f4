// The critical sections: what is done while the lock is held, so that a second holder at the same time is detected.
import { openSync, readSync, writeSync } from 'node:fs'

const NUMBER = 8

export const SECTIONS = { empty, count, readers, permits }

function empty() {
  return { isShared: () => false, enter() {}, leave() {}, result: () => ({}) }
}

/** Reads a number from a file, and writes it incremented. At the end it equals the number of cycles if nobody interfered. */
function count({ file }) {
  const descriptor = openSync(file, 'r+')
  const buffer = Buffer.alloc(NUMBER)
  let written = 0
  return {
    isShared: () => false,
    enter() {
      readSync(descriptor, buffer, 0, NUMBER, 0)
      buffer.writeDoubleLE(buffer.readDoubleLE() + 1)
      writeSync(descriptor, buffer, 0, NUMBER, 0)
      written += 1
    },
    leave() {},
    result: () => ({ written }),
  }
}

/** Three of four cycles share: they read the number, and a copy that must be equal. */
function readers({ file, index }) {
  const descriptor = openSync(file, 'r+')
  const buffer = Buffer.alloc(2 * NUMBER)
  let cycle = index
  let written = 0
  let overlaps = 0
  return {
    isShared: () => cycle % 4 !== 0,
    enter() {
      const isShared = cycle % 4 !== 0
      cycle += 1
      readSync(descriptor, buffer, 0, 2 * NUMBER, 0)
      if (buffer.readDoubleLE() !== buffer.readDoubleLE(NUMBER)) overlaps += 1
      if (isShared) return
      buffer.writeDoubleLE(buffer.readDoubleLE() + 1)
      writeSync(descriptor, buffer, 0, NUMBER, 0)
      writeSync(descriptor, buffer, 0, NUMBER, NUMBER)
      written += 1
    },
    leave() {},
    result: () => ({ written, overlaps }),
  }
}

/** Each client sets its own byte while it holds; there are never more such bytes than permits. */
function permits({ file, index, processes, claim }) {
  const descriptor = openSync(file, 'r+')
  const buffer = Buffer.alloc(processes)
  const set = Buffer.of(1)
  const unset = Buffer.of(0)
  let overlaps = 0
  return {
    isShared: () => false,
    enter() {
      writeSync(descriptor, set, 0, 1, index)
      readSync(descriptor, buffer, 0, processes, 0)
      if (buffer.filter((byte) => byte === 1).length > claim.permits) overlaps += 1
    },
    leave() {
      writeSync(descriptor, unset, 0, 1, index)
    },
    result: () => ({ overlaps }),
  }
}
