// A queue in etcd, on a client, sessions and watches that a test makes answer.
import assert from 'node:assert/strict'
import os from 'node:os'
import { describe, test } from 'node:test'
import type { AcquireRequest } from '../../src/requests/engine.ts'
import { Cancellation } from '../../src/requests/cancellation.ts'
import type { EnqueueRequest } from '../../src/requests/ticket-queue.ts'
import { EXCLUSIVE } from '../../src/core/claim.ts'
import type { Asking, EtcdClient } from '../../src/engines/etcd/client.ts'
import { parseTicket } from '../../src/engines/etcd/keys.ts'
import type { QueueParts } from '../../src/engines/etcd/parts.ts'
import type { TxnRequest } from '../../src/engines/etcd/protocol.ts'
import { EtcdQueue } from '../../src/engines/etcd/queue.ts'
import { Sessions } from '../../src/engines/etcd/sessions.ts'
import type { TicketSession } from '../../src/engines/etcd/ticket.ts'
import { OwnTicket } from '../../src/engines/etcd/ticket.ts'
import { ownIdentity } from '../../src/engines/ticket-value.ts'
import type { Watcher, WatchStream } from '../../src/engines/etcd/watch-stream.ts'
import { SlocketError } from '../../src/errors.ts'
import { turnOf } from '../helpers/turn.ts'
import { until } from '../helpers/until.ts'
import { createTicketEngine } from '../../src/requests/ticket-engine.ts'
import { turn } from '../../src/testing/random.ts'

const PREFIX = 'ns/q/YQ/'
const SESSION: TicketSession = {
  lease: '1',
  ttlMs: 10_000,
  isAlive: () => true,
  seemsAlive: () => true,
  forget: () => undefined,
  replaceKey: () => undefined,
  lose: () => undefined,
}

function request(): EnqueueRequest {
  const told = { requests: () => [], onLost: () => undefined, onStolen: () => undefined }
  return { claim: EXCLUSIVE, wait: true, steal: false, lingerMs: 0, cancellation: new Cancellation(), ...told }
}

function ticketAt(createRevision: string): NonNullable<ReturnType<typeof parseTicket>> {
  return parseTicket(PREFIX, { key: `${PREFIX}t/x-26-${createRevision}`, createRevision })!
}

describe('requests for a lock in etcd without any answer', () => {
  test('fail together with the first one, not one after the other', async () => {
    const openings: ((error: unknown) => void)[] = []
    const sessions = { current: () => new Promise((_resolve, reject) => openings.push(reject)) }
    const engine = createTicketEngine({
      name: 'etcd',
      capabilities: { ordered: true, shared: true, permits: true, recovered: false, steal: true },
      resolve: (resource) => resource,
      open: () => new EtcdQueue({ sessions } as unknown as QueueParts, PREFIX),
      query: () => Promise.reject(new Error('nobody asks')),
    })
    const asked: AcquireRequest = { claim: EXCLUSIVE, wait: true, label: undefined, signal: undefined, lingerMs: 0 }
    const failed: unknown[] = []
    const ask = (): void => void engine.acquire('a', asked).catch((error: unknown) => failed.push(error))
    for (let index = 0; index < 5; index += 1) ask()
    await turn()
    const error = new SlocketError('ERR_SLOCKET_UNREACHABLE', 'nothing answers')
    openings[0]!(error)
    await turn()
    assert.deepEqual(failed, [error, error, error, error, error])
    assert.equal(openings.length, 1)
    // Who comes later has a patience of its own.
    ask()
    await turn()
    assert.equal(openings.length, 2)
  })
})

describe('a ticket in etcd whose turn has come', () => {
  test('does not hold if its lease may be over when that is known', () => {
    const queue = new EtcdQueue({} as QueueParts, PREFIX)
    let isAlive = true
    const own = new OwnTicket(`${PREFIX}t/x-25-2`, request(), { ...SESSION, isAlive: () => isAlive })
    assert.equal(queue.becomeHolder(own), true)
    isAlive = false
    assert.equal(queue.becomeHolder(own), false)
  })
})

describe('a ticket that waits in etcd', () => {
  test('lists again when its watch exists, even if it has given up another one that never did', async () => {
    const watchers = new Map<string, Watcher>()
    const watches = {
      watch: (key: string, _kinds: string, watcher: Watcher) => {
        watchers.set(key, watcher)
        return () => watchers.delete(key)
      },
    }
    const queue = new EtcdQueue({ watches } as unknown as QueueParts, PREFIX)
    const own = new OwnTicket(`${PREFIX}t/x-25-2`, request(), SESSION)
    const first = queue.anyChange(own, [ticketAt('5')], own.request.cancellation)
    own.wake()
    await first
    own.isWoken = false
    let isOver = false
    const second = queue.anyChange(own, [ticketAt('4')], own.request.cancellation).then(() => (isOver = true))
    watchers.get(ticketAt('4').key)!.onCreated()
    await turn()
    assert.equal(isOver, true)
    own.wake()
    await second
  })

  test('lists again when its watch exists, even if something else has woken it before that', async () => {
    let watcher: Watcher | undefined
    const watch = (_key: string, _kinds: string, created: Watcher): (() => void) => {
      watcher = created
      return () => undefined
    }
    const queue = new EtcdQueue({ watches: { watch } } as unknown as QueueParts, PREFIX)
    const own = new OwnTicket(`${PREFIX}t/x-25-2`, request(), SESSION)
    const first = queue.anyChange(own, [ticketAt('5')], own.request.cancellation)
    own.wake()
    await first
    // It lists, and the watch is created after that listing was made.
    own.isWoken = false
    let isOver = false
    const second = queue.anyChange(own, [ticketAt('5')], own.request.cancellation).then(() => (isOver = true))
    watcher!.onCreated()
    await turn()
    assert.equal(isOver, true)
    own.wake()
    await second
  })

  test('asks from time to time for its own key and those that it waits for, and lists again only if one has gone', async () => {
    const asked: TxnRequest[] = []
    let revisions: (string | undefined)[] = []
    const ask = (_method: string, body: TxnRequest): Promise<object> => {
      asked.push(body)
      const responses = revisions.map((createRevision) => ({
        range: { kvs: createRevision === undefined ? [] : [{ key: 'it', createRevision }] },
      }))
      return Promise.resolve({ header: { revision: '9' }, succeeded: true, responses })
    }
    const watches = { watch: () => () => undefined }
    const changes = [
      ['7', undefined],
      ['7', '8'],
      [undefined, '5'],
    ]
    for (const change of changes) {
      revisions = ['7', '5']
      asked.length = 0
      const queue = new EtcdQueue({ watches, client: { ask } } as unknown as QueueParts, PREFIX)
      const own = new OwnTicket(`${PREFIX}t/x-25-7`, request(), { ...SESSION, ttlMs: 10 })
      own.createRevision = 7n
      let isOver = false
      const waiting = queue.anyChange(own, [ticketAt('5')], own.request.cancellation).then(() => (isOver = true))
      await until('it has asked twice', () => asked.length >= 2)
      assert.equal(isOver, false)
      const keys = [own.key, ticketAt('5').key]
      assert.deepEqual(asked[0], { success: keys.map((key) => ({ range: { key, keysOnly: true } })) })
      revisions = change
      await waiting
    }
  })
})

describe('an uncontended acquire and release in etcd', () => {
  test('read the uptime, which is a file, only before a grant, or if the lock may be lost', async (context) => {
    const readings = context.mock.method(os, 'uptime', () => 1000)
    const watches = { watch: () => () => undefined } as unknown as WatchStream
    const client = { ask: answer } as unknown as EtcdClient
    const sessions = new Sessions({ client, watches, namespace: 'ns', ttlSeconds: 10 })
    let asked = 0
    function answer(method: string, body: TxnRequest, { isOver, onSend }: Asking = {}): Promise<object> {
      asked += 1
      assert.notEqual(isOver?.(), true)
      onSend?.()
      if (method === 'LeaseGrant') return Promise.resolve({ id: '77', ttl: '10' })
      const key = body.success?.[0]?.put?.key ?? ''
      const listing = [{ range: { kvs: [{ key, createRevision: '5' }] } }]
      return Promise.resolve({ header: { revision: '5' }, succeeded: true, responses: [{}, ...listing] })
    }
    const parts = { client, sessions, watches, identity: ownIdentity('me'), own: new Set(), nextNumber: () => 1 }
    const queue = new EtcdQueue(parts as unknown as QueueParts, PREFIX)
    const cycle = async (): Promise<void> => {
      const asking = { ...request(), lingerMs: 1000 }
      const own = (await queue.enqueue(asking))!
      assert.equal(await turnOf(queue, own, asking), own)
      queue.granted(own)
      assert.equal(queue.isHolder(own), true)
      await queue.withdraw(own)
    }
    await cycle()
    readings.mock.resetCalls()
    asked = 0
    await cycle()
    assert.equal(asked, 2)
    assert.equal(readings.mock.callCount(), 2)
  })
})
