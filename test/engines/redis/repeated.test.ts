// A call without an answer is repeated, and by then a later call may have been carried out.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import net from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { redis } from '../../../src/engines/redis/index.ts'
import { keysOf } from '../../../src/engines/redis/names.ts'
import { RENEW } from '../../../src/engines/redis/scripts.ts'
import { slocket } from '../../../src/index.ts'
import { until } from '../../helpers/until.ts'
import { Admin } from '../helpers/redis-arena.ts'
import { addressOf } from '../helpers/servers.ts'

const TTL_MS = 3000

/** A proxy to a server, which counts renewals. From the first one after `hold()` until the next one, it holds back what the server says on that connection. */
class SlowServer implements AsyncDisposable {
  renewals: number = 0
  isHolding: boolean = false
  #isToHold = false
  #letThrough: () => void = () => {}
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
        if (bytes.includes(RENEW.sha)) this.#onRenewal(client, upstream)
        upstream.write(bytes)
      })
      upstream.pipe(client)
    })
  }

  hold(): void {
    this.#isToHold = true
  }

  #onRenewal(client: net.Socket, upstream: net.Socket): void {
    this.renewals += 1
    if (this.isHolding) {
      this.isHolding = false
      this.#letThrough()
    } else if (this.#isToHold) {
      this.#isToHold = false
      this.isHolding = true
      upstream.unpipe(client)
      upstream.pause()
      this.#letThrough = () => void upstream.pipe(client)
    }
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `redis://127.0.0.1:${(this.#server.address() as net.AddressInfo).port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

test('a lock that was acquired while a renewal had no answer is still held after the renewal is repeated', async () => {
  const url = addressOf('redis')
  await using admin = new Admin(url)
  await using server = new SlowServer(new URL(url))
  const namespace = `repeated-${randomBytes(6).toString('hex')}`
  const engine = redis({ url: await server.listen(), namespace, ttl: TTL_MS })
  const options = { engine, mode: 'shared' } as const
  await using _first = await slocket('data', options)
  // The next ones need not load the script first.
  await until('a renewal', () => server.renewals > 0)
  server.hold()
  await until('a renewal has no answer', () => server.isHolding)
  // So the renewal is repeated before this call is: a connection on which two calls have no answer is closed.
  await sleep(300)
  await using late = await slocket('data', options)
  assert.equal(server.isHolding, false)
  const { renewals } = server
  await until('a further renewal', () => server.renewals > renewals)
  assert.equal(await admin.ask('ZCARD', keysOf(namespace, 'data')[0]!), 2)
  assert.equal(late.held, true)
})
