// A call without an answer is repeated, and may be carried out late: by then, later calls may have been carried out.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { marginMs } from '../../../src/engines/deadline.ts'
import { redis } from '../../../src/engines/redis/index.ts'
import { keysOf } from '../../../src/engines/redis/names.ts'
import type { Script } from '../../../src/engines/redis/scripts.ts'
import { JOIN, RENEW } from '../../../src/engines/redis/scripts.ts'
import type { Engine } from '../../../src/index.ts'
import { slocket } from '../../../src/index.ts'
import { until } from '../../helpers/until.ts'
import { Admin } from '../helpers/redis-arena.ts'
import { addressOf } from '../helpers/servers.ts'
import { TcpProxy } from '../helpers/tcp-proxy.ts'

test('a lock that was acquired while a renewal had no answer is still held after the renewal is repeated', async () => {
  const url = addressOf('redis')
  await using admin = new Admin(url)
  await using proxy = await TcpProxy.open(url)
  let renewals = 0
  let isToHold = false
  proxy.onSent = (bytes) => {
    if (!bytes.includes(RENEW.sha)) return
    renewals += 1
    if (isToHold) proxy.holdReplies()
    else proxy.passReplies()
    isToHold = false
  }
  const namespace = `repeated-${randomBytes(6).toString('hex')}`
  const engine = redis({ url: `redis://${proxy.address}`, namespace, ttl: 9000 })
  const options = { engine, mode: 'shared' } as const
  await using _first = await slocket('data', options)
  // The next ones need not load the script first.
  await until('a renewal', () => renewals > 0)
  isToHold = true
  await until('a renewal has no answer', () => proxy.isHoldingReplies)
  // So the renewal is repeated before this call is: a connection on which two calls have no answer is closed.
  await sleep(300)
  await using late = await slocket('data', options)
  assert.equal(proxy.isHoldingReplies, false)
  const before = renewals
  await until('a further renewal', () => renewals > before)
  assert.equal(await admin.ask('ZCARD', keysOf(namespace, 'data')[0]!), 2)
  assert.equal(late.held, true)
})

test('a renewal that is carried out late removes no ticket that joined meanwhile', async () => {
  await using queue = await Queue.withTwo('60000')
  // Made when there was the first ticket alone.
  await queue.renew('60000', 'client.2', 'client.1')
  assert.deepEqual(await queue.ids(), ['client.1', 'client.3'])
  // Made later, it does: that ticket joined after it was given up.
  await queue.renew('60000', 'client.4', 'client.1')
  assert.deepEqual(await queue.ids(), ['client.1'])
})

test('a renewal that is carried out late does not shorten a lease that was made longer; any other heals a wrong one', async () => {
  await using queue = await Queue.withTwo('>60000')
  const end = await queue.end()
  await queue.renew('>2000', 'client.4', 'client.1', 'client.3')
  assert.equal(await queue.end(), end)
  await queue.renew('2000', 'client.5', 'client.1', 'client.3')
  assert.ok((await queue.end()) < end)
})

test('a call to join that is carried out a second time grants the lock if the lease of its holder has run out meanwhile', async () => {
  await using queue = new Queue()
  assert.match(await queue.join('dead.1', '200'), /^held /)
  assert.match(await queue.join('client.1', '60000'), /^waiting /)
  await until('it holds', async () => (await queue.join('client.1', '60000')).startsWith('held '), 10_000)
})

/** A queue as the scripts see it, without a client. */
class Queue implements AsyncDisposable {
  readonly #admin = new Admin(addressOf('redis'))
  readonly #namespace = `late-renewal-${randomBytes(6).toString('hex')}`
  readonly #keys = keysOf(this.#namespace, 'data')

  /** With two shared tickets, of one client. @param lease as the scripts take it */
  static async withTwo(lease: string): Promise<Queue> {
    const queue = new Queue()
    for (const id of ['client.1', 'client.3']) await queue.#run(JOIN, id, lease, 'wait', 's', '{}', '')
    return queue
  }

  async renew(lease: string, ...ids: readonly string[]): Promise<void> {
    await this.#run(RENEW, lease, ...ids)
  }

  async ids(): Promise<unknown> {
    return await this.#admin.ask('ZRANGE', this.#keys[0]!, '0', '-1')
  }

  /** Of the lease. */
  async end(): Promise<number> {
    return Number(await this.#admin.ask('ZSCORE', this.#keys[1]!, 'client'))
  }

  /** Waits in it. The reply's first part. */
  async join(id: string, lease: string): Promise<string> {
    const [state = ''] = (await this.#run(JOIN, id, lease, 'wait', 'x', '{}', '')) as string[]
    return state
  }

  async #run({ text }: Script, ...args: readonly string[]): Promise<unknown> {
    return await this.#admin.ask(
      'EVAL',
      text,
      String(this.#keys.length),
      ...this.#keys,
      `${this.#namespace}:wake:`,
      ...args,
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#admin[Symbol.asyncDispose]()
  }
}

test('a process that notices its grant too late asks again: its requests keep their places', async () => {
  const ttl = 2000
  const url = addressOf('redis')
  await using admin = new Admin(url)
  await using proxy = await TcpProxy.open(url)
  const namespace = `noticed-late-${randomBytes(6).toString('hex')}`
  const keys = keysOf(namespace, 'turns')
  const ids = async (): Promise<string[]> => (await admin.ask('ZRANGE', keys[0]!, '0', '-1')) as string[]
  const first = await slocket('turns', { engine: redis({ url, namespace, ttl: 60_000 }) })
  const engine = redis({ url: `redis://${proxy.address}`, namespace, ttl })
  const waiting = slocket('turns', { engine })
  await until('it waits', async () => (await ids()).length === 2)
  const order: string[] = []
  const later = slocket.with('turns', { engine }, () => void order.push('later'))
  await until('both wait', async () => (await ids()).length === 3)
  const [, early = '', late = ''] = await ids()
  proxy.holdReplies()
  await first.release()
  // Here the lease is over after this; not so on the server.
  const [client = ''] = early.split('.')
  await admin.ask('ZADD', keys[1]!, String(Date.now() + 60_000), client)
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ttl - marginMs(ttl))
  proxy.passReplies()
  const lock = await waiting
  order.push('earlier')
  assert.deepEqual(await ids(), [early, late])
  assert.equal(lock.recovered, false)
  await lock.release()
  await later
  assert.deepEqual(order, ['earlier', 'later'])
})

test('a lock that was lost since no renewal had an answer is not held for a lease longer by those renewals', async () => {
  const url = addressOf('redis')
  await using admin = new Admin(url)
  await using proxy = await TcpProxy.open(url)
  const namespace = `lost-${randomBytes(6).toString('hex')}`
  const [queue = '', leases = ''] = keysOf(namespace, 'turns')
  const lock = await slocket('turns', { engine: redis({ url: `redis://${proxy.address}`, namespace, ttl: 2000 }) })
  const [id = ''] = (await admin.ask('ZRANGE', queue, '0', '0')) as string[]
  proxy.holdReplies()
  await until('it is lost', () => !lock.held)
  proxy.passReplies()
  // As if it had been renewed, for much longer than this test takes.
  await admin.ask('ZADD', leases, 'XX', String(Date.now() + 600_000), id.slice(0, id.indexOf('.')))
  const next = await slocket('turns', { engine: redis({ url, namespace }), timeout: 60_000 })
  assert.equal(next.recovered, true)
  await next.release()
})

interface Delayed extends AsyncDisposable {
  readonly admin: Admin
  readonly proxy: TcpProxy
  /** Its commands go through the proxy. It is subscribed. */
  readonly delayed: Engine
  readonly other: Engine
  /** Those of the lock `turns`. */
  readonly keys: readonly string[]
  /** Ends the connection for notifications, which is opened again. */
  readonly interrupt: () => void
  /** The server removes the ticket that is last, as if it had not heard of its client for long. */
  readonly removeLast: () => Promise<void>
}

/** @param isDeaf whether the notifications go through the proxy, too. */
async function openDelayed(isDeaf: boolean): Promise<Delayed> {
  const url = addressOf('redis')
  const admin = new Admin(url)
  const proxy = await TcpProxy.open(url)
  const namespace = `anew-${randomBytes(6).toString('hex')}`
  const keys = keysOf(namespace, 'turns')
  // The engine would replace a client of its own that doesn't answer.
  const client = new Redis(`redis://${proxy.address}`)
  let subscribed: Redis | undefined
  const duplicate = (options: object): Redis => {
    const { hostname: host, port } = new URL(url)
    subscribed = new Redis(Number(port), host, options)
    return subscribed
  }
  if (!isDeaf) Object.defineProperty(client, 'duplicate', { value: duplicate })
  const delayed = redis({ client, namespace, ttl: 60_000 })
  const open = await slocket('other', { engine: delayed })
  await until('it hears', async () => {
    return ((await admin.ask('PUBSUB', 'CHANNELS', `${namespace}:wake:*`)) as unknown[]).length === 1
  })
  return {
    admin,
    proxy,
    delayed,
    other: redis({ url, namespace, ttl: 60_000 }),
    keys,
    interrupt: () => subscribed!.disconnect(true),
    async removeLast() {
      const [id = ''] = (await admin.ask('ZRANGE', keys[0]!, '-1', '-1')) as string[]
      await admin.ask('ZADD', keys[1]!, '1', id.slice(0, id.indexOf('.')))
    },
    async [Symbol.asyncDispose]() {
      proxy.passReplies()
      await open.release()
      client.disconnect()
      await proxy[Symbol.asyncDispose]()
      await admin[Symbol.asyncDispose]()
    },
  }
}

for (const isEvicted of [false, true]) {
  test(`a ticket that was made anew by a repeated call to join is not granted by the notification of its old grant${isEvicted ? ', though the last token was evicted' : ''}`, async () => {
    await using arena = await openDelayed(true)
    const { admin, proxy, delayed, other, keys } = arena
    const countTickets = async (): Promise<unknown> => await admin.ask('ZCARD', keys[0]!)
    const first = await slocket('turns', { engine: other })
    proxy.holdReplies()
    let isGranted = false
    const asked = slocket('turns', { engine: delayed }).finally(() => (isGranted = true))
    await until('it has joined', async () => (await countTickets()) === 2)
    await first.release()
    await arena.removeLast()
    const second = await slocket('turns', { engine: other })
    if (isEvicted) await admin.ask('DEL', keys[4]!)
    await until('it has joined again', async () => (await countTickets()) === 2)
    proxy.passReplies()
    await sleep(500)
    assert.deepEqual([second.held, isGranted], [true, false])
    await second.release()
    await (await asked).release()
  })
}

test('a request whose ticket was granted, removed and made anew before it had any reply is granted', async () => {
  await using arena = await openDelayed(false)
  const { admin, proxy, delayed, other, keys } = arena
  const first = await slocket('turns', { engine: other })
  let joins = 0
  proxy.onSent = (bytes) => {
    if (bytes.includes(JOIN.sha)) joins += 1
  }
  proxy.holdReplies()
  const asked = slocket('turns', { engine: delayed, timeout: 30_000 })
  await until('it has joined', async () => (await admin.ask('ZCARD', keys[0]!)) === 2)
  await first.release()
  await sleep(100)
  await arena.removeLast()
  // So it looks: a renewal would find that the ticket is gone.
  arena.interrupt()
  await until('it joins again', () => joins === 2)
  await sleep(100)
  proxy.passReplies()
  const lock = await asked
  assert.equal(lock.held, true)
  await lock.release()
})
