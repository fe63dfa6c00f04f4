// One of several processes leads, and counts on where the last one has stopped: node leader.mjs [SECONDS]
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import slocket from 'slocket'

const seconds = Number(process.argv[2] ?? Infinity)
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort())
console.log(`process ${process.pid} is a candidate`)

try {
  await slocket.lead('leader.lock', { signal: stop.signal, label: 'counter' }, async (lock, signal) => {
    console.log(`process ${process.pid} leads`)
    // `signal` aborts if the lock is lost, or if the process is asked to stop: then this ends soon.
    for (let second = 0; second < seconds && !signal.aborted; second += 1) {
      const count = readCount() + 1
      lock.assertHeld()
      writeCount(count)
      console.log(count)
      await sleep(1000, undefined, { signal }).catch(() => {})
    }
  })
  console.log(`process ${process.pid} no longer leads`)
} catch (error) {
  // A candidate that never led was asked to stop.
  if (error !== stop.signal.reason) throw error
}

function readCount() {
  try {
    return Number(readFileSync('count.txt', 'utf8'))
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
    return 0
  }
}

/** The file is never half-written: another process may lead the next moment. */
function writeCount(count) {
  writeFileSync('count.txt.new', `${count}\n`)
  renameSync('count.txt.new', 'count.txt')
}
