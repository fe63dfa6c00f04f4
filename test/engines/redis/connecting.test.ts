// The server can't be reached, or not properly, when the first lock is asked for. Each request ends, with a lock or with ERR_SLOCKET_UNREACHABLE.
import assert from 'node:assert/strict'
import net from 'node:net'
import { describe, test } from 'node:test'
import type { RedisOptions } from '../../../src/engines/redis/index.ts'
import { redis } from '../../../src/engines/redis/index.ts'
import { isSlocketError, slocket } from '../../../src/index.ts'
import { pass, until, within } from '../../helpers/until.ts'
import type { Address } from '../helpers/free-address.ts'
import { freeAddress } from '../helpers/free-address.ts'
import { TTL_MS } from '../helpers/redis-arena.ts'
import { addressOf } from '../helpers/servers.ts'
import { CLIENTS } from './clients.ts'

const target = new URL(addressOf('redis'))
/** How many connections are treated badly, unless all are. */
const FIRST = 3

/** What is done to a connection. */
const HARM: Readonly<Record<string, (client: net.Socket) => void>> = {
  'resets them': (client) => void client.resetAndDestroy(),
  'resets them when something is asked': (client) => void client.once('data', () => client.resetAndDestroy()),
  'ends its half': (client) => void client.resume().end(),
  'never answers': (client) => void client.resume(),
}

/** Stands before the server. */
class Front implements AsyncDisposable {
  readonly url: string
  readonly #address: Address
  readonly #server: net.Server
  readonly #sockets = new Set<net.Socket>()
  #connections = 0

  constructor(address: Address, harm: (client: net.Socket) => void, count: number) {
    this.url = `redis://${address.host}:${address.port}`
    this.#address = address
    this.#server = net.createServer({ allowHalfOpen: true }, (client) => {
      this.#add(client)
      this.#connections += 1
      if (this.#connections <= count) return harm(client)
      const upstream = this.#add(net.connect(Number(target.port), target.hostname))
      client.pipe(upstream).pipe(client)
      client.on('close', () => upstream.destroy())
      upstream.on('close', () => client.destroy())
    })
  }

  #add(socket: net.Socket): net.Socket {
    this.#sockets.add(socket)
    return socket.on('error', () => {})
  }

  async listen(): Promise<void> {
    const { host, port } = this.#address
    await new Promise<void>((resolve) => this.#server.listen(port, host, resolve))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve))
  }
}

/** Requests a lock again and again until it is granted. Until then Redis may be unreachable: on a busy machine that can take long. */
async function untilGranted(options: RedisOptions, name: string): Promise<void> {
  const engine = redis({ ...options, ttl: TTL_MS })
  await until(`${name} is granted`, async () => {
    try {
      const lock = await within(slocket(name, { engine }), () => new Error(`${name} was neither granted nor refused`))
      await lock.release()
      return true
    } catch (error) {
      if (!isSlocketError(error, 'ERR_SLOCKET_UNREACHABLE')) throw error
      return false
    }
  })
}

async function inFront(harm: string, count: number, body: (front: Front) => Promise<void>): Promise<void> {
  await using front = new Front(await freeAddress(), HARM[harm]!, count)
  await body(front)
}

describe('a server of Redis', { concurrency: true }, () => {
  for (const by of ['a URL', 'redis 6', 'ioredis 6']) {
    const open = async (url: string): Promise<{ readonly options: RedisOptions; close(): void }> => {
      if (by === 'a URL') return { options: { url }, close: () => {} }
      const { client, close } = await CLIENTS[by]!(url)
      return { options: { client }, close }
    }

    for (const harm of ['resets them', 'resets them when something is asked', 'ends its half']) {
      test(`is waited for if the first connections fail, since it ${harm} (${by})`, async () => {
        await inFront(harm, FIRST, async (front) => {
          await front.listen()
          const { options, close } = await open(front.url)
          await untilGranted(options, `${harm}, ${by}`)
          close()
        })
      })
    }

    test(`is waited for if it listens only after the first request (${by})`, async () => {
      await inFront('never answers', 0, async (front) => {
        const granting = async (): Promise<void> => {
          const { options, close } = await open(front.url)
          await untilGranted(options, `listens late, ${by}`)
          close()
        }
        const granted = granting()
        // So that connections are refused at first.
        await pass(300)
        await front.listen()
        await granted
      })
    })
  }

  test('is reached by the next connection if it never answers the first ones (a URL)', async () => {
    await inFront('never answers', 2, async (front) => {
      await front.listen()
      await untilGranted({ url: front.url }, 'deaf at first')
    })
  })

  for (const by of ['a URL', 'ioredis 6']) {
    test(`is ERR_SLOCKET_UNREACHABLE if it accepts connections but never answers (${by})`, async () => {
      await inFront('never answers', Infinity, async (front) => {
        await front.listen()
        const own = by === 'a URL' ? undefined : await CLIENTS[by]!(front.url)
        const engine = redis({ ...(own === undefined ? { url: front.url } : { client: own.client }), ttl: TTL_MS })
        const asking = within(slocket('never', { engine }), () => new Error('neither granted nor refused'))
        await assert.rejects(asking, { code: 'ERR_SLOCKET_UNREACHABLE' })
        own?.close()
      })
    })
  }
})
