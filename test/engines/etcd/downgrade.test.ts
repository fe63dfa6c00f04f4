// A downgrade in etcd, where an answer is lost or late, a thief comes, or something is done twice.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { etcd } from '../../../src/engines/etcd/index.ts'
import { isSlocketError, slocket } from '../../../src/index.ts'
import type { Engine, Lock, SlocketOptions } from '../../../src/index.ts'
import { pass, until } from '../../helpers/until.ts'
import { lastLease, LONG_TTL_MS, TTL_MS, withoutRenewals } from '../helpers/etcd-arena.ts'
import { etcdctl, keysOf, untilSlowly } from '../helpers/etcd-cluster.ts'
import { GrpcProxy } from '../helpers/grpc-proxy.ts'
import { addressOf } from '../helpers/servers.ts'

const READ = { mode: 'shared' } as const
/** In the key of a ticket of a downgraded holder, and of a thief. */
const [DOWNGRADED, THIEF] = ['/s/d-', '/s/x-']

const endpoint = addressOf('etcd')
const direct = etcd({ endpoints: endpoint })

let proxy: GrpcProxy
let engine: Engine
let resource: string
let isOver: AbortController
let locks: Lock[]
beforeEach(async () => {
  proxy = await GrpcProxy.open(endpoint)
  engine = etcd({ endpoints: proxy.address, ttl: LONG_TTL_MS })
  resource = `downgrade-${randomBytes(6).toString('hex')}`
  isOver = new AbortController()
  locks = []
})
afterEach(async () => {
  isOver.abort()
  await Promise.allSettled(locks.map((lock) => lock.release()))
  await proxy[Symbol.asyncDispose]()
})

async function take(of: Engine, options: SlocketOptions = {}): Promise<Lock> {
  const lock = await slocket(resource, { engine: of, signal: isOver.signal, ...options })
  locks.push(lock)
  return lock
}

/** It waits, behind `ahead` others. */
async function queueUp(ahead: number, options: SlocketOptions = {}): Promise<{ readonly granted: Promise<Lock> }> {
  const waiting = take(direct, options)
  // If the test fails before it asks.
  waiting.catch(() => undefined)
  await until('it waits', async () => (await slocket.query(resource, { engine: direct })).pending.length === ahead + 1)
  return { granted: waiting }
}

/** Takes the lock away from its holders, as `by`. */
async function steal(by: Engine): Promise<Lock> {
  const thief: Engine = {
    name: by.name,
    capabilities: by.capabilities,
    acquire: async (name, asked) => await by.acquire(name, { ...asked, steal: true }),
    query: async (name, signal) => await by.query(name, signal),
  }
  return await take(thief)
}

/** The keys of the queue, in the order in which they were created. */
async function tickets(): Promise<string[]> {
  const part = `/q/${Buffer.from(resource).toString('base64url')}`
  return (await keysOf(endpoint)).flatMap((key) =>
    key.includes(part) ? [key.slice(key.indexOf(part) + part.length)] : [],
  )
}

async function compact(): Promise<void> {
  const answer = await etcdctl(endpoint, 'get', 'nothing', '-w', 'json')
  // Others may have compacted it further.
  await etcdctl(endpoint, 'compact', /"revision":(\d+)/.exec(answer)![1]!).catch(() => undefined)
}

async function untilFree(): Promise<void> {
  await untilSlowly('nothing stays behind', async () => (await tickets()).length === 0)
}

function isLost(error: unknown): boolean {
  return isSlocketError(error, 'ERR_SLOCKET_LOST')
}

describe('a downgrade in etcd', () => {
  for (const loss of ['loseAnswers', 'loseRequests'] as const) {
    test(`is done once if its first ${loss === 'loseAnswers' ? 'answer' : 'request'} is lost`, async () => {
      const lock = await take(engine, { label: 'writer' })
      const { token } = lock
      const reader = await queueUp(0, READ)
      const writer = await queueUp(1)
      proxy[loss] = 1
      await lock.downgrade()
      assert.deepEqual([lock.held, lock.token, proxy[loss]], [true, token, 0])
      const read = await reader.granted
      assert.ok(read.token > token)
      const shown = await tickets()
      assert.deepEqual(
        shown.map((key) => key.slice(0, 5)),
        ['/t/s-', '/t/x-', DOWNGRADED],
      )
      await read.release()
      assert.equal((await slocket.query(resource, { engine: direct })).pending.length, 1)
      await lock.release()
      await (await writer.granted).release()
      await untilFree()
    })
  }

  test('that is answered only after the release leaves nothing behind, even if it is carried out twice', async () => {
    // Its lease lasts, so that no ticket goes with it.
    const lock = await take(engine, { linger: 60_000 })
    const writer = await queueUp(0)
    proxy.holdAnswersTo = DOWNGRADED
    const number = proxy.transactions
    const downgrading = lock.downgrade()
    await until('it is done', async () => (await tickets()).some((key) => key.startsWith(DOWNGRADED)))
    const released = lock.release()
    proxy.holdAnswersTo = undefined
    proxy.answer()
    await Promise.all([released, assert.rejects(downgrading, isLost)])
    assert.ok(!(await tickets()).some((key) => key.startsWith(DOWNGRADED)))
    await proxy.sendAgain(number)
    const written = await writer.granted
    assert.equal(written.held, true)
    assert.equal((await tickets()).length, 1)
    await written.release()
    await untilFree()
  })

  test('is not repeated after the release', async () => {
    const lock = await take(engine)
    const number = proxy.transactions
    await lock.downgrade()
    await lock.release()
    await proxy.sendAgain(number)
    assert.deepEqual(await tickets(), [])
  })

  test('that comes after a thief has joined loses the lock: two never hold', async () => {
    const lock = await take(direct)
    const waiting = await queueUp(0, READ)
    // Its ticket stands there, and it doesn't know that yet.
    proxy.holdAnswersTo = THIEF
    const stealing = steal(engine)
    await until('a thief stands there', async () => (await tickets()).some((key) => key.startsWith(THIEF)))
    await assert.rejects(lock.downgrade(), isLost)
    assert.equal(lock.held, false)
    assert.ok(isLost(lock.signal.reason))
    assert.ok(!(await tickets()).some((key) => key.startsWith(DOWNGRADED)))
    proxy.holdAnswersTo = undefined
    proxy.answer()
    const thief = await stealing
    const { held } = await slocket.query(resource, { engine: direct })
    assert.deepEqual(
      held.map(({ mode }) => mode),
      ['exclusive'],
    )
    await thief.release()
    await (await waiting.granted).release()
  })

  test('of a thief grants shared requests, and keeps the others waiting', async () => {
    await take(direct)
    const reader = await queueUp(0, READ)
    const writer = await queueUp(1)
    const thief = await steal(engine)
    await thief.downgrade()
    const read = await reader.granted
    assert.deepEqual([thief.held, thief.mode, read.held], [true, 'shared', true])
    await read.release()
    await thief.release()
    await (await writer.granted).release()
    await untilFree()
  })

  test('is known to its holder at once when it is stolen, even before the downgrade is answered', async (context) => {
    withoutRenewals(context)
    for (const isAnswered of [true, false]) {
      const lock = await take(engine)
      const { signal } = lock
      if (!isAnswered) proxy.holdAnswersTo = DOWNGRADED
      const downgrading = lock.downgrade()
      if (isAnswered) await downgrading
      await until('it is done', async () => (await tickets()).some((key) => key.startsWith(DOWNGRADED)))
      const thief = await steal(direct)
      proxy.holdAnswersTo = undefined
      await until('it is lost', () => signal.aborted)
      assert.match(String(signal.reason), /it was stolen/)
      proxy.answer()
      if (!isAnswered) await assert.rejects(downgrading, isLost)
      await thief.release()
    }
    await untilFree()
  })

  test('keeps the places of all waiters when a thief comes', async () => {
    const lock = await take(engine)
    const first = await queueUp(0)
    const second = await queueUp(1)
    await lock.downgrade()
    const before = (await tickets()).filter((key) => key.startsWith('/t/'))
    const thief = await steal(direct)
    assert.deepEqual(
      (await tickets()).filter((key) => key.startsWith('/t/')),
      before,
    )
    await thief.release()
    await (await first.granted).release()
    await (await second.granted).release()
  })

  test('deletes the key of the exclusive ticket, even if it is written again', async () => {
    const lock = await take(etcd({ endpoints: endpoint, ttl: TTL_MS }))
    const [key] = await tickets()
    const lease = await lastLease(endpoint, resource)
    await lock.downgrade()
    const prefix = `slocket/q/${Buffer.from(resource).toString('base64url')}`
    await etcdctl(endpoint, 'put', `${prefix}${key}`, '{}', `--lease=${lease}`)
    const reader = await take(direct, READ)
    assert.equal(lock.held, true)
    await reader.release()
    await lock.release()
  })

  test('is known to waiters even if etcd compacts its history', async () => {
    const lock = await take(engine)
    const reader = await queueUp(0, READ)
    const writer = await queueUp(1)
    await compact()
    await lock.downgrade()
    await compact()
    await (await reader.granted).release()
    await lock.release()
    await (await writer.granted).release()
  })

  test('notifies by `wanted` of earlier exclusive waiters, and not of shared ones', async () => {
    const lock = await take(engine)
    const reader = await queueUp(0, READ)
    await lock.downgrade()
    await reader.granted
    const { wanted } = lock
    // Longer than it is between two looks.
    await pass(1500)
    assert.equal(wanted.aborted, false)
    for (const each of locks) await each.release()
    const again = await take(engine)
    const writer = await queueUp(0)
    await again.downgrade()
    await until('it is wanted', () => again.wanted.aborted)
    await again.release()
    await (await writer.granted).release()
  })
})
