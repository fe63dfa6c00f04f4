// What comes later than a call waits for it: a reply, and the package by which Redis is spoken with.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import net from 'node:net'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { marginMs } from '../../../src/engines/deadline.ts'
import { redis } from '../../../src/engines/redis/index.ts'
import { JOIN } from '../../../src/engines/redis/scripts.ts'
import { slocket } from '../../../src/index.ts'
import { until } from '../../helpers/until.ts'
import { Admin, TTL_MS } from '../helpers/redis-arena.ts'
import { Servers } from '../helpers/servers.ts'

const LIMIT_MS = 60_000

/** A proxy to a server. Replies to the connection that calls scripts can be held back; then all connections can be cut silently. */
class Gate implements AsyncDisposable {
  /** Replies that were held back. */
  heldBack: string = ''
  /** What calls scripts. */
  #client: net.Socket | undefined
  #isCut = false
  readonly #server: net.Server
  readonly #sockets = new Set<net.Socket>()

  constructor(target: URL) {
    this.#server = net.createServer((client) => {
      const upstream = net.connect(Number(target.port), target.hostname)
      for (const socket of [client, upstream]) {
        this.#sockets.add(socket)
        socket.on('error', () => {})
      }
      client.on('data', (bytes) => {
        if (this.#isCut) return
        if (bytes.includes('EVALSHA')) this.#client = client
        upstream.write(bytes)
      })
      upstream.on('data', (bytes) => {
        if (this.#isCut) return
        if (client === this.#client) this.heldBack += bytes.toString('latin1')
        else client.write(bytes)
      })
    })
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `redis://127.0.0.1:${(this.#server.address() as net.AddressInfo).port}`
  }

  /** What was held back gets through, and nothing after that. */
  letThroughAndCut(): void {
    this.#client?.write(this.heldBack, 'latin1')
    this.#isCut = true
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

test('a lease starts at the call that was answered, even if an earlier call is answered late', async () => {
  await using servers = await Servers.start('redis')
  const url = servers.addressOf('redis')
  await using admin = new Admin(url)
  await using gate = new Gate(new URL(url))
  await admin.ask('PING')
  const late = slocket('late', { engine: redis({ url: await gate.listen(), ttl: TTL_MS }) })
  await until('the first call has its answer', () => gate.heldBack.includes('NOSCRIPT'))
  // For the second one, which is sent when the first one has been given up.
  await admin.ask('SCRIPT', 'LOAD', JOIN.text)
  await until('the second call has its answer, too', () => gate.heldBack.includes('held '))
  const sinceMs = performance.now()
  await until('so much has passed that it matters', () => performance.now() - sinceMs > 1.2 * marginMs(TTL_MS))
  gate.letThroughAndCut()
  const lock = await late
  const leases = 'slocket:{late}:leases'
  const [client = ''] = (await admin.ask('ZRANGE', leases, '0', '0')) as string[]
  await until('its lease has run out', async () => {
    return (await timeOf(admin)) >= Number(await admin.ask('ZSCORE', leases, client))
  })
  assert.equal(lock.held, false)
})

async function timeOf(admin: Admin): Promise<number> {
  const [seconds, microseconds] = (await admin.ask('TIME')) as [string, string]
  return Number(seconds) * 1000 + Number(microseconds) / 1000
}

const PROGRAM = `
import { register } from 'node:module'
const [source, url, loading] = process.argv.slice(1)
// The package takes longer to load than two calls wait.
const hooks = \`
  export async function resolve(specifier, context, next) {
    const resolved = await next(specifier, context)
    if (specifier === 'redis') await new Promise((resolve) => setTimeout(resolve, \${loading}))
    return resolved
  }\`
register('data:text/javascript,' + encodeURIComponent(hooks))
const { slocket } = await import(new URL('index.js', source))
const { redis } = await import(new URL('engines/redis/index.js', source))
const { createClient } = await import(import.meta.resolve('redis', source))
const lock = await slocket('slow', { engine: redis({ url }) })
await lock.release()
// The engine has closed what it has opened: 'linger' is over.
const admin = await createClient({ url }).connect()
const connections = async () => (await admin.sendCommand(['CLIENT', 'LIST'])).trim().split('\\n').length
while (await connections() > 1) await new Promise((resolve) => setTimeout(resolve, 20))
admin.destroy()
console.log('closed')
`

test('a package that loads slowly leaves no connection behind', async () => {
  await using servers = await Servers.start('redis')
  const source = new URL('../../../src/', import.meta.url).href
  const command = ['--input-type=module', '-e', PROGRAM, source, servers.addressOf('redis'), '4500']
  const { stdout } = await promisify(execFile)(process.execPath, command, { timeout: LIMIT_MS })
  assert.equal(stdout, 'closed\n')
})
