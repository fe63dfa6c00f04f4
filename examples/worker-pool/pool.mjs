// Starts six workers: node pool.mjs [--kill]
import { fork } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const WORKERS = 6

const directory = mkdtempSync(join(tmpdir(), 'pool-'))
const log = join(directory, 'log')
let toKill = process.argv.includes('--kill') ? 1 : 0
const killed = new Set()

const ended = await Promise.all(Array.from({ length: WORKERS }, runWorker))
console.log(`${ended.filter((code) => code === 0).length} of ${WORKERS} workers are done`)
console.log(`at most ${mostAtOnce()} computed at the same time`)
rmSync(directory, { recursive: true })

/** Resolves with its exit code; null if it was killed. */
function runWorker() {
  const worker = fork(join(import.meta.dirname, 'worker.mjs'), [join(directory, 'lock'), log])
  worker.once('message', () => {
    if (toKill === 0) return
    toKill -= 1
    killed.add(String(worker.pid))
    worker.kill('SIGKILL')
  })
  return new Promise((resolve) => worker.once('exit', resolve))
}

/** How many computed at the same time, as the log has it. One that was killed has written no end. */
function mostAtOnce() {
  const computing = new Set()
  let most = 0
  for (const line of readFileSync(log, 'utf8').trim().split('\n')) {
    const [event, pid] = line.split(' ')
    if (event === 'end') computing.delete(pid)
    else if (!killed.has(pid)) computing.add(pid)
    most = Math.max(most, computing.size)
  }
  return most
}
