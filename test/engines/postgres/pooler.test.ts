// Locks through a PgBouncer in transaction mode: each is an open transaction.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { lockTransaction, postgres } from '../../../src/engines/postgres/index.ts'
import type { PostgresOptions } from '../../../src/engines/postgres/index.ts'
import { keyOf, whereKey } from '../../../src/engines/postgres/key.ts'
import type { Engine } from '../../../src/index.ts'
import { isSlocketError, slocket } from '../../../src/index.ts'
import pg from 'pg'
import { pass, until } from '../../helpers/until.ts'
import { Pooler, withoutPgBouncer } from '../helpers/pooler.ts'
import { addressOf } from '../helpers/servers.ts'
import { SharedSession } from '../helpers/shared-session.ts'
import { administer, terminate } from './admin.ts'
import { Child } from './child.ts'

const HEARTBEAT_MS = 400
const namespace = `pooler-${randomBytes(6).toString('hex')}`
let names = 0
const fresh = (): string => `pooled-${(names += 1)}-${randomBytes(4).toString('hex')}`
const isLost = (error: unknown): boolean => isSlocketError(error, 'ERR_SLOCKET_LOST')
const isUnreachable = (error: unknown): boolean => isSlocketError(error, 'ERR_SLOCKET_UNREACHABLE')

describe('locks through PgBouncer in transaction mode', { skip: withoutPgBouncer() }, () => {
  const url = addressOf('postgres')
  const direct = postgres({ connectionString: url, namespace, heartbeat: HEARTBEAT_MS })
  let pooler: Pooler

  before(async () => {
    pooler = await Pooler.start(url, 'transaction', 20)
  })

  after(async () => {
    await pooler.end()
  })

  function open(options: PostgresOptions = {}): Engine {
    const own = { connectionString: pooler.url, namespace, heartbeat: HEARTBEAT_MS, pooler: 'transaction' } as const
    return postgres({ ...own, ...options })
  }

  async function untilPending(name: string, count: number): Promise<void> {
    const pending = async (): Promise<number> => (await slocket.query(name, { engine: direct })).pending.length
    await until(`${count} wait`, async () => (await pending()) === count)
  }

  /** The server's sessions that hold it, or wait for it. */
  async function sessionsOf(name: string): Promise<Record<string, unknown>[]> {
    return await administer(
      url,
      `SELECT granted, state, backend_xid, backend_xmin FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE ${whereKey(keyOf(namespace, name)).replace('database', 'pg_locks.database')} ORDER BY granted DESC`,
    )
  }

  test('exclude locks without a pooler, and vice versa; tokens grow across both', async () => {
    const [name, engine] = [fresh(), open()]
    const tokens: bigint[] = []
    for (const [one, other] of [
      [engine, direct],
      [direct, engine],
      [engine, open()],
    ] as const) {
      const lock = await slocket(name, { engine: one })
      assert.equal(await slocket.try(name, { engine: other }), null)
      const waiting = slocket(name, { engine: other })
      await untilPending(name, 1)
      await lock.release()
      const next = await waiting
      tokens.push(lock.token, next.token)
      await next.release()
    }
    assert.deepEqual(
      tokens,
      tokens.toSorted((a, b) => (a < b ? -1 : 1)),
    )
    assert.equal(new Set(tokens).size, tokens.length)
  })

  test("exclude those of users' own transactions, through the same pooler", async () => {
    const [name, engine] = [fresh(), open()]
    const client = new pg.Client({ connectionString: pooler.url })
    await client.connect()
    try {
      await client.query('BEGIN')
      await lockTransaction(client, name, { namespace })
      assert.equal(await slocket.try(name, { engine }), null)
      await client.query('COMMIT')
      await using _lock = await slocket(name, { engine })
      await client.query('BEGIN')
      assert.equal(await lockTransaction(client, name, { namespace, wait: false }), false)
      await client.query('COMMIT')
    } finally {
      await client.end()
    }
  })

  test('a holder does not hold back VACUUM; a waiter does', async () => {
    const [name, engine] = [fresh(), open()]
    const lock = await slocket(name, { engine })
    const idle = { granted: true, state: 'idle in transaction', backend_xid: null, backend_xmin: null }
    await until('it is idle', async () => (await sessionsOf(name))[0]?.['state'] === idle.state)
    assert.deepEqual(await sessionsOf(name), [idle])
    const waiting = slocket(name, { engine })
    await untilPending(name, 1)
    const [, waiter] = await sessionsOf(name)
    assert.notEqual(waiter!['backend_xmin'], null)
    assert.equal(waiter!['backend_xid'], null)
    await lock.release()
    await (await waiting).release()
  })

  test('keep no session of the server after their release, and leave no settings in it', async () => {
    const name = fresh()
    await using own = await Pooler.start(url, 'transaction', 2)
    const engine = open({ connectionString: own.url })
    for (let round = 0; round < 3; round += 1) await (await slocket(name, { engine })).release()
    const client = new pg.Client({ connectionString: own.url })
    await client.connect()
    try {
      // Both sessions of the server, by two transactions at a time.
      const { rows } = await client.query(
        `SELECT current_setting('search_path') AS path, current_setting('slocket.lock', true) AS mark,
          current_setting('idle_in_transaction_session_timeout') AS idle`,
      )
      assert.deepEqual(
        [rows[0].path, rows[0].mark === '' || rows[0].mark === null, rows[0].idle],
        ['"$user", public', true, '0'],
      )
    } finally {
      await client.end()
    }
  })

  test('kill -9 of the holder, and of a waiter: the next one gets the lock', async () => {
    const name = fresh()
    await using holder = new Child(pooler.url, namespace, name, HEARTBEAT_MS, 'transaction')
    await holder.says('held')
    await using middle = new Child(pooler.url, namespace, name, HEARTBEAT_MS, 'transaction')
    await middle.says('asking')
    await untilPending(name, 1)
    const waiting = slocket(name, { engine: open() })
    await untilPending(name, 2)
    await middle[Symbol.asyncDispose]()
    await holder[Symbol.asyncDispose]()
    await (await waiting).release()
  })

  test('a holder that is stopped for long loses the lock, and knows before anything else runs; the next one gets it', async () => {
    const name = fresh()
    await using holder = new Child(pooler.url, namespace, name, HEARTBEAT_MS, 'transaction')
    await holder.says('held')
    const waiting = slocket(name, { engine: open() })
    await untilPending(name, 1)
    await holder.stop()
    // By idle_in_transaction_session_timeout: no connection has ended.
    const next = await waiting
    holder.continue()
    holder.tell('assert')
    assert.match(await holder.says('refused'), /ERR_SLOCKET_LOST/)
    await next.release()
  })

  test('a waiter that is stopped while its turn comes does not block others; it waits again when it continues', async () => {
    const name = fresh()
    const holder = await slocket(name, { engine: direct })
    // Not shorter: on a busy machine a server may take some time to answer, and then a waiter rejects.
    const heartbeat = 1000
    await using stopped = new Child(pooler.url, namespace, name, heartbeat, 'transaction')
    await untilPending(name, 1)
    // Long enough that it waits anew if its session is ended.
    await pass(2 * heartbeat)
    const behind = slocket(name, { engine: open({ heartbeat }) })
    await untilPending(name, 2)
    await stopped.stop()
    await holder.release()
    const lock = await behind
    stopped.continue()
    await untilPending(name, 1)
    await lock.release()
    await stopped.says('held')
  })

  test('a pooler that is stopped: the holder is notified, and the lock is free', async () => {
    const name = fresh()
    await using own = await Pooler.start(url, 'transaction', 5)
    const lock = await slocket(name, { engine: open({ connectionString: own.url }) })
    const waiting = slocket(name, { engine: direct })
    await untilPending(name, 1)
    own.signal('SIGSTOP')
    await (await waiting).release()
    assert.throws(() => lock.assertHeld(), isLost)
    assert.equal(lock.signal.aborted, true)
    own.signal('SIGCONT')
  })

  test('an operator ends the session of a holder: it is notified, and the next one gets the lock', async () => {
    const [name, engine] = [fresh(), open()]
    const lock = await slocket(name, { engine, label: `holder of ${name}` })
    const waiting = slocket(name, { engine: direct })
    await untilPending(name, 1)
    assert.equal(await terminate(url, `holder of ${name}`), 1)
    await until('the holder is told', () => lock.signal.aborted)
    assert.ok(isLost(lock.signal.reason))
    const next = await waiting
    assert.ok(next.token > lock.token)
    await lock.release()
    await next.release()
  })

  test('a cancelled wait leaves nothing behind, and its connection serves the next request', async () => {
    const [name, engine] = [fresh(), open({ maxConnections: 2 })]
    const lock = await slocket(name, { engine })
    for (let round = 0; round < 5; round += 1) {
      await assert.rejects(slocket(name, { engine, timeout: 50 }), (error) =>
        isSlocketError(error, 'ERR_SLOCKET_TIMEOUT'),
      )
      const controller = new AbortController()
      const waiting = slocket(name, { engine, signal: controller.signal })
      await untilPending(name, 1)
      controller.abort(new Error('enough'))
      await assert.rejects(waiting, /enough/)
      await untilPending(name, 0)
    }
    await lock.release()
    await (await slocket.try(name, { engine }))!.release()
  })

  test('without a token there is no grant, and the lock is free', async () => {
    const name = fresh()
    const sequence = `public.pooled_${randomBytes(4).toString('hex')}`
    const engine = open({ sequence })
    await (await slocket(name, { engine })).release()
    await administer(url, `DROP SEQUENCE ${sequence}`)
    await assert.rejects(slocket(name, { engine }), (error) => isSlocketError(error))
    await (await slocket(name, { engine: direct })).release()
  })

  test('a pooler with a single server connection, or that is away, is an error that says so', async () => {
    await using own = await Pooler.start(url, 'transaction', 1)
    const engine = open({ connectionString: own.url })
    await assert.rejects(slocket(fresh(), { engine }), (error: Error) => {
      assert.ok(isUnreachable(error), String(error))
      assert.match(error.message, /free connection/)
      return true
    })
  })

  test('a pooler without transactions is an error; one that gives each client a session is not', async () => {
    await using statements = await Pooler.start(url, 'statement', 5)
    await assert.rejects(slocket(fresh(), { engine: open({ connectionString: statements.url }) }), (error) =>
      isSlocketError(error, 'ERR_SLOCKET_POOLER'),
    )
    await using sessions = await Pooler.start(url, 'session', 5)
    await (await slocket(fresh(), { engine: open({ connectionString: sessions.url }) })).release()
  })

  test('one session for all clients is an error', async () => {
    await using shared = await SharedSession.over(url)
    await assert.rejects(slocket(fresh(), { engine: open({ connectionString: shared.url }) }), (error) =>
      isSlocketError(error, 'ERR_SLOCKET_POOLER'),
    )
  })

  test('without the option, the error suggests it', async () => {
    await assert.rejects(slocket(fresh(), { engine: open({ pooler: undefined }) }), (error: Error) => {
      assert.ok(isSlocketError(error, 'ERR_SLOCKET_POOLER'), String(error))
      assert.match(error.message, /the option pooler of postgres\(\) to 'transaction'/)
      return true
    })
  })
})
