// One of several processes runs a job again and again, at most once a period: node before.mjs
// Any process runs it once, at most once a period as well: node before.mjs --now
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import lockfile from 'proper-lockfile'

const RETRY_MS = 100

const periodMs = Number(process.env.PERIOD_MS ?? 60_000)
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort())
console.log(`process ${process.pid} is ready`)

try {
  if (process.argv.includes('--now')) await runJob(stop.signal)
  else await lead(serve)
} catch (error) {
  if (error !== stop.signal.reason) throw error
}

async function serve(signal) {
  console.log(`process ${process.pid} leads`)
  while (!signal.aborted) await runJob(signal)
}

/** Calls `body` while this process leads; again if it has lost the lead. */
async function lead(body) {
  for (;;) {
    const lock = await acquire('scheduler', stop.signal)
    let hasEnded = false
    try {
      await body(AbortSignal.any([stop.signal, lock.signal]))
      hasEnded = !lock.signal.aborted
    } catch (error) {
      if (!lock.signal.aborted) throw error
    } finally {
      await lock.release()
    }
    if (hasEnded) return
    await pause(RETRY_MS, stop.signal)
  }
}

/** Starts the job once a period has passed since its last start, in whatever process. The lock is free meanwhile, or others would starve. */
async function runJob(signal) {
  for (;;) {
    const lock = await acquire('job', signal)
    let waitMs
    try {
      waitMs = (await readLastStart()) + periodMs - Date.now()
      if (waitMs <= 0) {
        await writeFile('job.started', String(Date.now()))
        await job()
      }
    } finally {
      await lock.release()
    }
    if (lock.signal.aborted) throw lock.signal.reason
    if (waitMs <= 0) return
    await pause(waitMs, signal)
  }
}

async function readLastStart() {
  try {
    return Number(await readFile('job.started', 'utf8'))
  } catch (error) {
    if (error.code === 'ENOENT') return 0
    throw error
  }
}

/** Tries again until it has the lock, or `signal` aborts. The lock's own signal aborts if the lock is lost. */
async function acquire(name, signal) {
  const loss = new AbortController()
  for (;;) {
    signal.throwIfAborted()
    try {
      const release = await lockfile.lock(name, { realpath: false, onCompromised: (error) => loss.abort(error) })
      return {
        signal: loss.signal,
        async release() {
          if (!loss.signal.aborted) await release()
        },
      }
    } catch (error) {
      if (error.code !== 'ELOCKED') throw error
    }
    await pause(RETRY_MS, signal)
  }
}

async function pause(ms, signal) {
  await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted())
}

/** Stands for the work. */
async function job() {
  await appendFile('job.log', `${process.pid}\n`)
}
