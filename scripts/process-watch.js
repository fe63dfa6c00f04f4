// Whether the process of a test file runs, as far as /proc shows processes.
import { readdirSync, readFileSync } from 'node:fs'

/** Whether a process other than this one was started with `file`. True if processes can't be seen. */
export function hasProcess(file) {
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
