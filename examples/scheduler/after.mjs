// One of several processes runs a job again and again, at most once a period: node after.mjs
// Any process runs it once, at most once a period as well: node after.mjs --now
import { appendFile } from 'node:fs/promises'
import slocket from 'slocket'

const periodMs = Number(process.env.PERIOD_MS ?? 60_000)
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort())
console.log(`process ${process.pid} is ready`)

try {
  if (process.argv.includes('--now')) await runJob(stop.signal)
  else await slocket.lead('scheduler.lock', { signal: stop.signal, label: 'scheduler' }, serve)
} catch (error) {
  if (error !== stop.signal.reason) throw error
}

async function serve(lock, signal) {
  console.log(`process ${process.pid} leads`)
  while (!signal.aborted) await runJob(signal)
}

/** Nobody else can start the job until a period has passed since it was started here. */
async function runJob(signal) {
  await slocket.with('job.lock', { atLeast: periodMs, signal, label: 'job' }, job)
}

/** Stands for the work. */
async function job() {
  await appendFile('job.log', `${process.pid}\n`)
}
