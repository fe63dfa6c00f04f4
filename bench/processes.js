// The processes that measure. None of them outlives its measurement.
import { execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const MEASURE = new URL('measure/', import.meta.url)

export function scriptPath(script) {
  return fileURLToPath(new URL(script, MEASURE))
}

/** Runs `body` with a group of processes for at most `limitMs`, then kills those that are left. */
export async function inGroup(limitMs, body) {
  const group = new Group()
  let timer
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${limitMs / 1000} s`)), limitMs)
  })
  try {
    return await Promise.race([body(group), limit])
  } finally {
    clearTimeout(timer)
    await group.end()
  }
}

class Group {
  #clients = []
  #isOver = false

  /** Starts measure/SCRIPT with options, which it gets as JSON. */
  start(script, options, flags = []) {
    if (this.#isOver) throw new Error('the measurement is over')
    const client = new Client(script, options, flags)
    this.#clients.push(client)
    return client
  }

  /** Starts a process, and returns the only message that it sends. */
  async run(script, options, flags) {
    return await this.start(script, options, flags).next()
  }

  async end() {
    this.#isOver = true
    await Promise.all(this.#clients.map((client) => client.kill()))
  }
}

/** A process that receives and sends objects. */
class Client {
  #child
  #said = []
  #waiting = []
  #ended
  #failure
  #stderr = ''

  constructor(script, options, flags) {
    const settings = { execArgv: flags, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] }
    this.#child = fork(scriptPath(script), [JSON.stringify(options)], settings)
    this.#child.stderr.setEncoding('utf8').on('data', (text) => (this.#stderr = (this.#stderr + text).slice(-4000)))
    this.#child.on('message', (message) => {
      const waiting = this.#waiting.shift()
      if (waiting === undefined) this.#said.push(message)
      else waiting.resolve(message)
    })
    this.#child.on('error', (error) => this.#fail(error))
    this.#ended = once(this.#child, 'close').then(([code, signal]) => this.#fail(this.#reason(code, signal)))
  }

  get pid() {
    return this.#child.pid
  }

  /** The next message. Rejects if the process ends before. */
  next() {
    if (this.#said.length > 0) return Promise.resolve(this.#said.shift())
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  send(message) {
    this.#child.send(message, () => {}) // if the process has died, next() reports it
  }

  async kill() {
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  #fail(error) {
    this.#failure ??= error
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure)
  }

  #reason(code, signal) {
    const line = this.#stderr.split('\n').find((text) => /^\[?\w*Error\b/.test(text))
    return new Error(line?.trim() ?? `ended with ${signal ?? code}`)
  }
}

/** If some of a group fail: throws an error that says how many, and how the first one failed. */
export async function allOf(promises, limitMs) {
  const timers = []
  const limited = promises.map((promise) => {
    const limit = new Promise((_, reject) => {
      timers.push(setTimeout(() => reject(new Error(`not done within ${limitMs / 1000} s`)), limitMs))
    })
    return Promise.race([promise, limit])
  })
  const outcomes = await Promise.allSettled(limited)
  for (const timer of timers) clearTimeout(timer)
  const failed = outcomes.filter(({ status }) => status === 'rejected')
  if (failed.length === 0) return outcomes.map(({ value }) => value)
  // A process that crashed says more than one that waited for it.
  const crashed = failed.find(({ reason }) => !reason.message.startsWith('not done')) ?? failed[0]
  throw new Error(`${failed.length} of ${promises.length} processes: ${crashed.reason.message}`)
}

export const run = promisify(execFile)
