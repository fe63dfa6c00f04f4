// The requests of one process are served in the order in which they were made, whatever its calls meet with.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { etcd } from '../../../src/engines/etcd/index.ts'
import { slocket } from '../../../src/index.ts'
import type { Engine, Lock } from '../../../src/index.ts'
import { until } from '../../helpers/until.ts'
import { lastLease } from '../helpers/etcd-arena.ts'
import { etcdctl } from '../helpers/etcd-cluster.ts'
import { GrpcProxy } from '../helpers/grpc-proxy.ts'
import { addressOf } from '../helpers/servers.ts'

const CROWD = 12
const endpoint = addressOf('etcd')

let proxy: GrpcProxy
let resource: string
let served: string[]
let isOver: AbortController
let locks: Lock[]
beforeEach(async () => {
  proxy = await GrpcProxy.open(endpoint)
  isOver = new AbortController()
  locks = []
  resource = `order-${randomBytes(6).toString('hex')}`
  served = []
})
// Whatever has failed: nobody waits any more, nobody holds, and so nothing keeps this process alive.
afterEach(async () => {
  isOver.abort()
  await Promise.allSettled(locks.map((lock) => lock.release()))
  await proxy[Symbol.asyncDispose]()
})

const labels = Array.from({ length: CROWD }, (_, index) => `crowd-${index}`)
const direct = etcd({ endpoints: endpoint })

describe('requests of one process for a lock in etcd', () => {
  test('keep their order if the request or the answer of one of them is lost', async () => {
    for (const loss of ['loseAnswers', 'loseRequests'] as const) {
      served = []
      const holder = await take(direct)
      const { all } = await crowdOf(loss)
      await showsPending(labels)
      await holder.release()
      await all
      assert.deepEqual(served, labels)
    }
  })

  test("keep their places among other clients' if an answer is lost: the repeated request has no new place", async () => {
    const holder = await take(direct)
    const engine = etcd({ endpoints: proxy.address })
    await (await slocket(`${resource}-warm`, { engine, linger: 5000 })).release()
    const before = proxy.transactions
    proxy.loseAnswers = 1
    const first = ask(engine, 'first')
    await until('its place is taken', async () => (await pending()).length === 1)
    const second = ask(direct, 'second')
    await until('it has asked again, and looked', () => proxy.transactions > before + 2)
    await showsPending(['first', 'second'])
    await holder.release()
    await Promise.all([first, second])
    assert.deepEqual(served, ['first', 'second'])
  })

  test('keep their order if all of them lose their places at once, and the first one notices last', async () => {
    const engine = etcd({ endpoints: proxy.address })
    const holder = await take(direct)
    await (await slocket(`${resource}-warm`, { engine, linger: 5000 })).release()
    // The first one asks for its place, then looks again because it waits: that answer is kept back.
    proxy.holdAnswerOf = proxy.transactions + 1
    const first = ask(engine, labels[0]!)
    await until('its look is under way', () => proxy.held === 1)
    const rest = labels.slice(1).map((label) => ask(engine, label))
    await showsPending(labels)
    await etcdctl(endpoint, 'lease', 'revoke', await lastLease(endpoint, resource))
    await until('they have lost their places', async () => (await pending()).length < CROWD)
    // What comes now comes behind them.
    const late = ask(engine, 'late')
    await new Promise((resolve) => setTimeout(resolve, 500))
    proxy.answer()
    await showsPending([...labels, 'late'])
    await holder.release()
    await Promise.all([first, ...rest, late])
    assert.deepEqual(served, [...labels, 'late'])
  })
})

async function take(engine: Engine, label?: string): Promise<Lock> {
  const lock = await slocket(resource, { engine, signal: isOver.signal, ...(label === undefined ? {} : { label }) })
  locks.push(lock)
  return lock
}

async function askAndRelease(engine: Engine, label: string): Promise<void> {
  const lock = await take(engine, label)
  served.push(label)
  await lock.release()
}

/** Each of them holds for no time. */
function ask(engine: Engine, label: string): Promise<void> {
  const asked = askAndRelease(engine, label)
  // Where the test has failed before it asked what became of it.
  asked.catch(() => undefined)
  return asked
}

/** In the middle of their way into the queue, one call of theirs goes wrong. Resolves, with what comes of them, once all have asked. */
async function crowdOf(loss: 'loseAnswers' | 'loseRequests'): Promise<{ readonly all: Promise<unknown> }> {
  const engine = etcd({ endpoints: proxy.address })
  const before = proxy.transactions
  const all = Promise.all(labels.map((label) => ask(engine, label)))
  all.catch(() => undefined)
  await until('some of them have joined', () => proxy.transactions > before + CROWD / 2)
  proxy[loss] = 1
  await until('one has gone wrong', () => proxy[loss] === 0)
  return { all }
}

async function pending(): Promise<(string | undefined)[]> {
  return (await slocket.query(resource, { engine: direct })).pending.map(({ label }) => label)
}

async function showsPending(expected: readonly string[]): Promise<void> {
  let last: unknown
  await until('they wait in their order', async () => {
    last = await pending()
    return JSON.stringify(last) === JSON.stringify(expected)
  }).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${JSON.stringify(last)}`, { cause: error })
  })
}
