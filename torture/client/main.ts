/**
 * A client: a process, a worker thread or a worker of a cluster that runs a random program. `node main.js CONFIG`, where
 * CONFIG is the JSON of a ClientConfig. Orders come over stdin, or over the channel to a worker.
 */
import type { Worker as ClusterWorker } from 'node:cluster'
import cluster from 'node:cluster'
import fs from 'node:fs'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { Random } from '../../src/testing/random.ts'
import { HEARTBEAT_MS } from '../trace/event.ts'
import { TraceWriter } from '../trace/writer.ts'
import type { ClientConfig, Order, Report } from './config.ts'
import { exhaustDescriptors, openDescriptors } from './descriptors.ts'
import { traceTickets } from './instrument.ts'
import { Program } from './program.ts'
import { shiftClock } from './wall-clock.ts'

/** How often to check that all descriptors are closed after the program's end: three times the longest linger. */
const MOST_LOOKS = 60
const LOOK_MS = 50

const config = JSON.parse(isMainThread ? process.argv[2]! : (workerData as string)) as ClientConfig
const { name } = config
const random = new Random(config.seed)
const trace = new TraceWriter(config.traces, name, BigInt(config.clockOffsetSeconds) * 1_000_000_000n)
const program = new Program(config, random, trace)
const threads = new Map<string, Worker>()
const doomedThreads = new Set<string>()
const listening = new Set<ClusterWorker>()
let startedThreads = 0
let isDraining = false

// Registered before the lock's own listener, which comes with the first lock.
process.on('exit', () => trace.write({ kind: 'end', whom: name }))
traceTickets(trace)
setInterval(() => trace.write({ kind: 'beat' }), HEARTBEAT_MS).unref()
for (let count = 0; count < config.threads; count += 1) startThread()
for (let count = 0; count < config.workers; count += 1) startWorker(count)
listen()
if (isMainThread) report({ name, pid: process.pid })
const descriptorsAtFirst = openDescriptors() ?? []
await program.run()
await untilThreadsEnded()
if (isMainThread && !cluster.isWorker && config.workers === 0) await checkDescriptors()

function obey(order: Order): void {
  switch (order.do) {
    case 'drain':
      return drain()
    case 'hush':
      program.hush(order.ms)
      return passOn(order)
    case 'block':
      return void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, order.ms)
    case 'exhaust':
      return exhaustDescriptors(order.spare, order.ms)
    case 'shift clock':
      return shiftClock(order.ms)
    case 'exit':
      return process.exit(0)
    case 'throw':
      throw new Error('an uncaught exception, by order')
    case 'replace thread':
      return void replaceThread()
  }
}

function drain(): void {
  isDraining = true
  program.end()
  passOn({ do: 'drain' })
  if (!isMainThread) parentPort!.unref()
  // Not process.disconnect(): a worker would exit.
  else if (cluster.isWorker) cluster.worker!.disconnect()
  else process.stdin.destroy()
}

/** Sends the order to all threads, and to the workers that listen. */
function passOn(order: Order): void {
  for (const thread of threads.values()) thread.postMessage(order)
  for (const worker of listening) if (worker.isConnected()) worker.send(order)
}

function listen(): void {
  if (!isMainThread) return void parentPort!.on('message', obey)
  if (cluster.isWorker) {
    process.on('message', obey)
    return void process.send!('listening')
  }
  let rest = ''
  process.stdin.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop()!
    for (const line of lines) obey(JSON.parse(line) as Order)
  })
  // The director was killed, so nobody else would end this process.
  process.stdin.on('end', () => process.exit(1))
}

function startThread(): void {
  startedThreads += 1
  const thread = `${name}.t${startedThreads}`
  const worker = new Worker(new URL(import.meta.url), { workerData: JSON.stringify(configOf(thread)) })
  threads.set(thread, worker)
  worker.on('error', (error) => {
    doomedThreads.add(thread)
    blameThread(thread, error)
  })
  worker.once('exit', (code) => {
    threads.delete(thread)
    trace.write({ kind: 'dead', whom: thread })
    if (code !== 0 && !doomedThreads.has(thread)) blameThread(thread, `code ${code}`)
  })
}

/** A thread may fail to start if there are no descriptors. No other failure is expected. */
function blameThread(thread: string, error: unknown): void {
  if (config.maySuffer && /EMFILE|ERR_WORKER_INIT_FAILED/.test(String(error))) return
  trace.write({ kind: 'blame', what: `the thread ${thread} ended with ${String(error)}` })
}

async function replaceThread(): Promise<void> {
  const [victim] = [...threads.keys()]
  if (victim === undefined || isDraining) return
  doomedThreads.add(victim)
  trace.write({ kind: 'kill', whom: victim })
  await threads.get(victim)!.terminate()
  if (!isDraining) startThread()
}

function startWorker(index: number): void {
  const worker = `${name}+w${index + 1}`
  cluster.setupPrimary({ args: [JSON.stringify(configOf(worker))], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  // A worker says when it listens. Earlier messages may be lost.
  const forked = cluster.fork()
  forked.once('message', () => {
    listening.add(forked)
    if (isDraining && forked.isConnected()) forked.send({ do: 'drain' } satisfies Order)
  })
  // The order was sent to a killed worker whose channel had not closed yet.
  forked.on('error', (error) => {
    if (!/EPIPE|ECONNRESET|ERR_IPC_CHANNEL_CLOSED/.test(String((error as NodeJS.ErrnoException).code))) throw error
  })
}

function configOf(other: string): ClientConfig {
  return { ...config, name: other, seed: random.below(2 ** 32), threads: 0, workers: 0 }
}

async function untilThreadsEnded(): Promise<void> {
  await Promise.all([...threads.values()].map((worker) => new Promise((resolve) => worker.once('exit', resolve))))
}

/** Checks that the locks leave no descriptors open. It counts checks, not time: on a busy machine this process may not run for seconds. */
async function checkDescriptors(): Promise<void> {
  let open: string[] | undefined
  for (let look = 0; look < MOST_LOOKS; look += 1) {
    open = openDescriptors()
    if (open !== undefined && open.length <= descriptorsAtFirst.length) return
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
  const what = `descriptors are open: ${open?.join(', ')}; at first: ${descriptorsAtFirst.join(', ')}`
  trace.write({ kind: 'blame', what })
}

function report(what: Report): void {
  fs.writeSync(1, `${JSON.stringify(what)}\n`)
}
