// Cancelled requests while the engine still connects: the process ends, and leaves nothing on the server.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import http from 'node:http'
import net from 'node:net'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'
import { etcd } from '../../../src/engines/etcd/index.ts'
import { slocket } from '../../../src/index.ts'
import { DeafAddress, reasonWithoutDeafAddress } from '../../helpers/deaf-address.ts'
import { DEADLINE_MS, until } from '../../helpers/until.ts'
import { etcdctl, keysOf, untilSlowly } from '../helpers/etcd-cluster.ts'
import { addressOf, Servers } from '../helpers/servers.ts'

const SOURCE = new URL('../../../src/', import.meta.url).href
/** Whoever keeps the process alive for one patience, which is as long, keeps it beyond the deadline. */
const LONG_TTL_MS = 600_000
const SHORT_TTL_MS = 5000
/** Before a call can have been given up, nobody knows whether the server is away. */
const TOLD = /^ERR_SLOCKET_(TIMEOUT|UNREACHABLE)\n$/
const PROGRAM = `
const [url, endpoints, ttl, body] = process.argv.slice(1)
const { slocket } = await import(new URL('index.js', url))
const { etcd } = await import(new URL('engines/etcd/index.js', url))
// The first endpoint is tried first.
Math.random = () => 0
const engine = etcd({ endpoints: endpoints.split(','), ttl: Number(ttl) })
const controller = new AbortController()
const { signal } = controller
setTimeout(() => controller.abort('cancelled'), 300)
const said = await eval(body).then(() => 'granted', (error) => error.code ?? error)
console.log(said)
`

async function run(
  endpoints: string,
  ttlMs: number,
  body: string,
  environment: NodeJS.ProcessEnv = {},
): Promise<string> {
  const parameters = ['--input-type=module', '-e', PROGRAM, SOURCE, endpoints, String(ttlMs), body]
  const env = { ...process.env, ...environment }
  const { stdout } = await promisify(execFile)(process.execPath, parameters, { timeout: DEADLINE_MS, env })
  return stdout
}

/** Accepts, and hands nothing on before it is opened. */
class Gate implements AsyncDisposable {
  connections = 0
  open: () => void = () => {}
  readonly #opened: Promise<void> = new Promise((resolve) => (this.open = resolve))
  readonly #sockets = new Set<net.Socket>()
  readonly #server: net.Server

  private constructor(target: string | undefined) {
    this.#server = net.createServer((socket) => {
      this.connections += 1
      this.#keep(socket)
      if (target !== undefined) void this.#opened.then(() => this.#join(socket, new URL(target)))
    })
  }

  static async open(target?: string): Promise<Gate> {
    const gate = new Gate(target)
    await new Promise<void>((resolve) => gate.#server.listen(0, '127.0.0.1', resolve))
    return gate
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as net.AddressInfo).port}`
  }

  #join(socket: net.Socket, { hostname, port }: URL): void {
    if (socket.destroyed) return
    const upstream = net.connect(Number(port), hostname)
    this.#keep(upstream)
    socket.pipe(upstream).pipe(socket)
  }

  #keep(socket: net.Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

describe('an etcd server that accepts and is silent', { concurrency: true }, () => {
  test('a cancelled request no longer keeps the process alive', async () => {
    await using gate = await Gate.open()
    assert.equal(await run(gate.address, LONG_TTL_MS, "slocket('a', { engine, signal })"), 'cancelled\n')
    assert.ok(gate.connections > 0, 'it has tried to connect')
  })

  test('neither a request that has timed out nor its query of the holder keeps the process alive', async () => {
    await using gate = await Gate.open()
    assert.match(await run(gate.address, LONG_TTL_MS, "slocket('a', { engine, timeout: 100 })"), TOLD)
  })

  test('a cancelled query rejects at once, and no longer keeps the process alive', async () => {
    await using gate = await Gate.open()
    assert.equal(await run(gate.address, LONG_TTL_MS, "engine.query('a', signal)"), 'cancelled\n')
  })

  for (const body of ["slocket('a', { engine })", "slocket.try('a', { engine })", "slocket.query('a', { engine })"]) {
    test(`${body} keeps the process alive until it gets an answer`, async () => {
      await using gate = await Gate.open()
      assert.equal(await run(gate.address, SHORT_TTL_MS, body), 'ERR_SLOCKET_UNREACHABLE\n')
    })
  }
})

describe('an address whose packets are dropped', { concurrency: true, skip: reasonWithoutDeafAddress() }, () => {
  for (const [how, body, said] of [
    ['by a signal', "slocket('a', { engine, signal })", /^cancelled\n$/],
    ['by a time-out', "slocket('a', { engine, timeout: 100 })", TOLD],
  ] as const) {
    test(`a cancelled request (${how}) no longer keeps the process alive`, async () => {
      await using deaf = await DeafAddress.open()
      assert.match(await run(deaf.address, LONG_TTL_MS, body), said)
    })
  }

  test('the next address is tried, and the process ends afterwards', async () => {
    await using deaf = await DeafAddress.open()
    const endpoints = `${deaf.address},${addressOf('etcd')}`
    assert.equal(
      await run(endpoints, LONG_TTL_MS, "slocket('a', { engine }).then((lock) => lock.release())"),
      'granted\n',
    )
  })
})

test('a server behind a proxy that the environment names is reached through it', async () => {
  const { hostname, port } = new URL(addressOf('etcd'))
  const asked: (string | undefined)[] = []
  const proxy = http.createServer().on('connect', ({ url }, socket) => {
    asked.push(url)
    const upstream = net.connect(Number(port), hostname, () => socket.write('HTTP/1.1 200 OK\r\n\r\n'))
    for (const one of [socket, upstream]) one.on('error', () => {})
    socket.pipe(upstream).pipe(socket)
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const environment = { http_proxy: `http://127.0.0.1:${(proxy.address() as net.AddressInfo).port}`, no_proxy: '' }
  const body = "slocket.with('a', { engine }, () => undefined)"
  try {
    assert.equal(await run('etcd.invalid:2379', SHORT_TTL_MS, body, environment), 'granted\n')
    assert.deepEqual(asked, ['etcd.invalid:2379'])
  } finally {
    proxy.closeAllConnections()
    proxy.close()
  }
})

test('a request that was cancelled while the engine connected leaves neither a key nor a lease after the connection', async () => {
  await using servers = await Servers.start('etcd')
  const endpoint = servers.addressOf('etcd')
  const revision = async (): Promise<number> =>
    Number(/"revision":(\d+)/.exec(await etcdctl(endpoint, 'endpoint', 'status', '-w', 'json'))![1])
  await using gate = await Gate.open(endpoint)
  const engine = etcd({ endpoints: gate.address, ttl: LONG_TTL_MS })
  const before = await revision()
  const controller = new AbortController()
  const asked = slocket('a', { engine, signal: controller.signal })
  await until('it connects', () => gate.connections > 0)
  controller.abort(new Error('cancelled'))
  await assert.rejects(asked, /cancelled/)
  gate.open()
  // The session's key comes and goes.
  await untilSlowly('its session has come and gone', async () => {
    const [keys, leases] = await Promise.all([keysOf(endpoint), etcdctl(endpoint, 'lease', 'list')])
    return (await revision()) >= before + 2 && keys.length === 0 && /found 0 leases/.test(leases)
  })
  // And the engine is as good as new.
  await (await slocket('a', { engine })).release()
})
