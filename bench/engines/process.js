// A process that runs client.js. It ends with its parent.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('client.js', import.meta.url))
const LIMIT_MS = 300_000

export class Process {
  #child
  #name
  #said = []
  #waiting = new Set()

  constructor(name, settings) {
    this.#name = name
    this.#child = spawn(process.execPath, ['--expose-gc', PROGRAM, JSON.stringify(settings)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#child.stdin.on('error', () => {})
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      const message = JSON.parse(line)
      if (message.event === 'unhandled') console.log(`${name}: unhandled rejection: ${message.message}`)
      this.#said.push(message)
      for (const look of this.#waiting) look()
    })
  }

  get pid() {
    return this.#child.pid
  }

  send(message) {
    this.#child.stdin.write(`${JSON.stringify(message)}\n`)
  }

  /** The report of this kind, if there is one yet. */
  said(event) {
    return this.#said.find((message) => message.event === event)
  }

  async says(event) {
    return await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.#name} did not say '${event}' in time`)), LIMIT_MS)
      const look = () => {
        const message = this.said(event)
        if (message === undefined) return
        clearTimeout(timer)
        this.#waiting.delete(look)
        resolve(message)
      }
      this.#waiting.add(look)
      look()
    })
  }

  async end() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
  }
}
