// Notices that the process of a test file is gone, where /proc shows processes.
import { readdirSync, readFileSync } from 'node:fs'

const LOOK_MS = 5000
/** How many looks in a row must find no process: it may be starting, or its end be about to be reported. */
const MOST_LOOKS = 6

export class ProcessWatch {
  #file
  #timer
  #misses = 0
  #onGone

  /** @param {string} file what the process was started with */
  constructor(file) {
    this.#file = file
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref()
  }

  /** Resolves with undefined once the process has been gone for half a minute, counted from this call. */
  gone() {
    this.#misses = 0
    return new Promise((resolve) => (this.#onGone = resolve))
  }

  stop() {
    clearInterval(this.#timer)
  }

  #look() {
    this.#misses = isRunning(this.#file) ? 0 : this.#misses + 1
    if (this.#misses >= MOST_LOOKS) this.#onGone?.(undefined)
  }
}

/** True also if processes can't be seen. */
function isRunning(file) {
  let names
  try {
    names = readdirSync('/proc')
  } catch {
    return true
  }
  return names.some((name) => /^\d+$/.test(name) && Number(name) !== process.pid && commandOf(name).includes(file))
}

function commandOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    // It has ended meanwhile.
    return ''
  }
}
