import assert from 'node:assert/strict'
import os from 'node:os'
import type { TestContext } from 'node:test'
import { describe, test } from 'node:test'
import FakeTimers from '@sinonjs/fake-timers'
import { clock } from '../helpers/fakeable-time.ts'
import { Cancellation } from '../../src/requests/cancellation.ts'
import type { EnqueueRequest } from '../../src/requests/ticket-queue.ts'
import { EXCLUSIVE } from '../../src/core/claim.ts'
import type { Asking, EtcdClient } from '../../src/engines/etcd/client.ts'
import { readClocks } from '../../src/engines/deadline.ts'
import { parseTicket } from '../../src/engines/etcd/keys.ts'
import type { TxnRequest } from '../../src/engines/etcd/protocol.ts'
import type { QueueParts } from '../../src/engines/etcd/parts.ts'
import { EtcdQueue } from '../../src/engines/etcd/queue.ts'
import { Session } from '../../src/engines/etcd/session.ts'
import { OwnTicket } from '../../src/engines/etcd/ticket.ts'
import type { Watcher, WatchStream } from '../../src/engines/etcd/watch-stream.ts'
import { isSlocketError } from '../../src/index.ts'
import { turn } from '../../src/testing/random.ts'

/** Timers that pass when the test says so. Those of node:test are experimental on Node 20, which would warn of them. */
function fakeTimers(context: TestContext): FakeTimers.Clock {
  const timers = FakeTimers.install({ toFake: ['setTimeout', 'clearTimeout'] })
  context.after(() => timers.uninstall())
  return timers
}

/** Watches that a test creates, and makes tell. */
class FakeWatches {
  readonly watchers = new Map<string, Watcher>()

  watch(key: string, _kinds: string, watcher: Watcher): () => void {
    this.watchers.set(key, watcher)
    return () => this.watchers.delete(key)
  }
}

/** A client whose server grants leases of 10 s, to requests that were sent a while ago. */
function fakeClient(sentAgoMs: number, look: () => object = () => ({})): EtcdClient {
  const ask = (method: string, _request: object, { onSend }: Asking): Promise<object> => {
    if (method === 'Txn') return Promise.resolve(look())
    const { now } = clock
    clock.now = () => now() - sentAgoMs
    onSend?.()
    clock.now = now
    return Promise.resolve(method === 'LeaseGrant' ? { id: '77', ttl: '10' } : { header: { revision: '1' } })
  }
  return { ask } as unknown as EtcdClient
}

async function openSession(watches: FakeWatches, sentAgoMs = 0, look?: () => object): Promise<Session> {
  const parts = { client: fakeClient(sentAgoMs, look), watches: watches as unknown as WatchStream, namespace: 'ns' }
  return await Session.open({ ...parts, ttlSeconds: 10, onOver: () => undefined })
}

function request(onLost: (error: Error) => void = () => undefined): EnqueueRequest {
  const cancellation = new Cancellation()
  const rest = { wait: true, steal: false, lingerMs: 0, requests: () => [], onStolen: onLost }
  return { claim: EXCLUSIVE, cancellation, onLost, ...rest }
}

const lead = 'ns/q/YQ/'
const key = `${lead}t/x-25-2`

describe('a session in etcd', () => {
  test('counts its lease from the time when the request was sent, however late the answer is', async (context) => {
    const session = await openSession(new FakeWatches(), 5000)
    const { monotonicMs } = readClocks()
    assert.equal(session.isAlive(), true)
    context.mock.method(clock, 'now', () => monotonicMs + 4500)
    assert.equal(session.isAlive(), false)
  })

  test('has notified all holders by the time when it reports its deadline, before any timer runs', async (context) => {
    const session = await openSession(new FakeWatches())
    let lost: Error | undefined
    const own = new OwnTicket(
      key,
      request((error) => (lost = error)),
      session,
    )
    session.add(own)
    own.isHeld = true
    const { monotonicMs } = readClocks()
    context.mock.method(clock, 'now', () => monotonicMs + 9500)
    assert.equal(session.isAlive(), false)
    assert.ok(isSlocketError(lost, 'ERR_SLOCKET_LOST'))
    context.mock.restoreAll()
    assert.equal(session.isAlive(), false, 'it never comes back to life')
  })
})

describe('a renewal of a lease in etcd', () => {
  /** A session whose first renewal was sent 3 s after its start, and is answered when the test says so. `pass` lets time pass. */
  async function renewing(context: TestContext): Promise<{
    session: Session
    pass: (ms: number) => void
    answer: (answer: object) => Promise<void>
  }> {
    let nowMs = 1000
    context.mock.method(clock, 'now', () => nowMs)
    context.mock.method(os, 'uptime', () => nowMs / 1000)
    const timers = fakeTimers(context)
    let resolve: (answer: object) => void = () => undefined
    const callByStream = (_method: string, _request: object, _tries: number, onSend: () => void): Promise<object> => {
      onSend()
      return new Promise((done) => (resolve = done))
    }
    const client = Object.assign(fakeClient(0), { callByStream })
    const watches = new FakeWatches() as unknown as WatchStream
    const session = await Session.open({ client, watches, namespace: 'ns', ttlSeconds: 9, onOver: () => undefined })
    // Somebody uses it.
    session.add(new OwnTicket(key, request(), session))
    nowMs += 3000
    // A third of what the server gave, which is 10 s.
    timers.tick(3334)
    const answer = async (given: object): Promise<void> => {
      resolve(given)
      await turn()
    }
    return { session, pass: (ms) => void (nowMs += ms), answer }
  }

  test('counts from the time when it was sent, by the TTL that the server gave', async (context) => {
    const { session, pass, answer } = await renewing(context)
    pass(5000)
    await answer({ ttl: '20' })
    pass(12_900)
    assert.equal(session.isAlive(), true)
    pass(200)
    assert.equal(session.isAlive(), false)
  })

  test('renews nothing if its answer is read after the deadline, like in a stopped process', async (context) => {
    const { session, pass, answer } = await renewing(context)
    pass(6001)
    await answer({ ttl: '10' })
    assert.equal(session.isAlive(), false)
  })

  for (const ttl of [undefined, '0', '-1']) {
    test(`reports a lost lease if the answer's TTL is ${ttl}`, async (context) => {
      const { session, answer } = await renewing(context)
      await answer({ ttl })
      assert.equal(session.isAlive(), false)
    })
  }
})

describe('a ticket that left without an answer to the request that wrote it', () => {
  test('is removed a second later, if it is written by then, long before the next renewals; nothing else is removed', async (context) => {
    const [known, shared] = ['ns/q/YQ/t/x-25-1', 'ns/q/YQ/s/d-25-9']
    const calls: string[] = []
    const client = {
      ask: (method: string, asked: { readonly key?: string }) => {
        calls.push(method === 'DeleteRange' ? `delete ${asked.key}` : method)
        if (method === 'LeaseGrant') return Promise.resolve({ id: '77', ttl: '10' })
        return Promise.resolve({ keys: [key, known, shared, 'ns/s/25'] })
      },
    } as unknown as EtcdClient
    const watches = new FakeWatches() as unknown as WatchStream
    const timers = fakeTimers(context)
    const session = await Session.open({ client, watches, namespace: 'ns', ttlSeconds: 10, onOver: () => undefined })
    const [gone, answered, stays] = [key, `${key}1`, known].map((each) => new OwnTicket(each, request(), session))
    assert.equal(session.key, 'ns/s/25')
    for (const ticket of [gone!, answered!, stays!]) session.add(ticket)
    stays!.sharedKey = shared
    session.forget(answered!)
    timers.tick(1000)
    await turn()
    assert.ok(!calls.includes('LeaseTimeToLive'), 'after an answer there is nothing to look for')
    gone!.unanswered = 1
    session.forget(gone!)
    timers.tick(999)
    await turn()
    assert.ok(!calls.includes('LeaseTimeToLive'))
    timers.tick(1)
    await turn()
    assert.deepEqual(calls.slice(calls.indexOf('LeaseTimeToLive')), ['LeaseTimeToLive', `delete ${key}`])
  })
})

describe('a machine that was suspended beyond the deadline', () => {
  test('grants nothing with a lease that seems to last, and notifies holders that check', async (context) => {
    const session = await openSession(new FakeWatches())
    const queue = new EtcdQueue({} as QueueParts, lead)
    let lost: Error | undefined
    const holder = new OwnTicket(
      key,
      request((error) => (lost = error)),
      session,
    )
    session.add(holder)
    holder.isHeld = true
    const uptime = os.uptime()
    context.mock.method(os, 'uptime', () => uptime + 9.5)
    assert.equal(session.seemsAlive(), true, 'a suspended machine is nothing that it knows of')
    assert.equal(queue.becomeHolder(new OwnTicket(`${key}1`, request(), session)), false)
    assert.equal(queue.isHolder(holder), false)
    assert.ok(isSlocketError(lost, 'ERR_SLOCKET_LOST'))
    assert.equal(session.seemsAlive(), false)
  })
})

describe('a ticket that holds in etcd', () => {
  test('is lost if its key was deleted and written again, by a request that was delivered twice', async () => {
    const watches = new FakeWatches()
    let revision = '5'
    const look = (): object => ({
      header: { revision: '9' },
      responses: ['2', revision].map((createRevision) => ({ range: { kvs: [{ createRevision }] } })),
    })
    const session = await openSession(watches, 0, look)
    let lost: Error | undefined
    const own = new OwnTicket(
      key,
      request((error) => (lost = error)),
      session,
    )
    session.add(own)
    own.createRevision = 5n
    own.isHeld = true
    const tell = async (): Promise<void> => {
      watches.watchers.get(session.key)!.onEvent(false)
      await turn()
    }
    await tell()
    assert.equal(lost, undefined)
    revision = '8'
    await tell()
    assert.ok(isSlocketError(lost, 'ERR_SLOCKET_LOST'))
  })

  test('exists under either key while it is downgraded, also for a query that was sent before', async () => {
    const watches = new FakeWatches()
    const answers: (() => void)[] = []
    const exists = new Map([['ns/s/25', '2']])
    const client = fakeClient(0)
    const ask = (method: string, body: TxnRequest, asking: Asking): Promise<object | undefined> => {
      if (method !== 'Txn') return client.ask(method as 'Put', body as never, asking)
      const responses = body.success.map(({ range }) => {
        const createRevision = exists.get(range!.key)
        return createRevision === undefined ? {} : { range: { kvs: [{ createRevision }] } }
      })
      return new Promise((resolve) => answers.push(() => resolve({ header: { revision: '9' }, responses })))
    }
    const parts = { client: { ask } as unknown as EtcdClient, watches: watches as unknown as WatchStream }
    const session = await Session.open({ ...parts, namespace: 'ns', ttlSeconds: 10, onOver: () => undefined })
    let lost: Error | undefined
    const own = new OwnTicket(
      key,
      request((error) => (lost = error)),
      session,
    )
    session.add(own)
    own.createRevision = 5n
    own.isHeld = true
    const sharedKey = `${lead}s/d-25-3`
    const tell = (): void => watches.watchers.get(session.key)!.onEvent(false)
    const answer = async (): Promise<void> => {
      for (const give of answers.splice(0)) give()
      await turn()
    }
    // Of the look that finds nothing, nobody knows yet that another key was written.
    tell()
    own.sharedKey = sharedKey
    await answer()
    assert.deepEqual([lost, answers.length], [undefined, 1], 'it looks again')
    answers.length = 0
    exists.set(sharedKey, '8')
    tell()
    session.replaceKey(own, sharedKey, 8n)
    await answer()
    assert.deepEqual([lost, answers.length], [undefined, 0])
    tell()
    await answer()
    assert.deepEqual([lost, answers.length], [undefined, 0])
    exists.delete(sharedKey)
    tell()
    await answer()
    assert.ok(isSlocketError(lost, 'ERR_SLOCKET_LOST'))
  })
})

describe('a ticket that waits in etcd', () => {
  test('lists again when its watch exists, and then only after events', async () => {
    const watches = new FakeWatches()
    const session = await openSession(watches)
    const parts = { watches: watches as unknown as WatchStream } as QueueParts
    const queue = new EtcdQueue(parts, lead)
    const own = new OwnTicket(key, request(), session)
    session.add(own)
    const ahead = parseTicket(lead, { key: `${lead}t/x-26-1`, createRevision: '5' })!
    const wait = (): { isOver: boolean; over: Promise<void> } => {
      const waiting = { isOver: false, over: Promise.resolve() }
      waiting.over = queue.anyChange(own, [ahead], own.request.cancellation).then(() => void (waiting.isOver = true))
      return waiting
    }
    const first = wait()
    await turn()
    assert.equal(first.isOver, false)
    watches.watchers.get(ahead.key)!.onCreated()
    await first.over
    // It lists.
    own.isWoken = false
    const second = wait()
    await turn()
    assert.equal(second.isOver, false)
    watches.watchers.get(ahead.key)!.onEvent(true)
    await second.over
  })
})
