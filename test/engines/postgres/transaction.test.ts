// A lock inside the user's own transaction, beside the engine's locks.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import pg from 'pg'
import { lockTransaction, postgres } from '../../../src/engines/postgres/index.ts'
import type { TransactionClient } from '../../../src/engines/postgres/index.ts'
import { keyOf, whereKey } from '../../../src/engines/postgres/key.ts'
import { isSlocketError, slocket } from '../../../src/index.ts'
import { until } from '../../helpers/until.ts'
import { addressOf } from '../helpers/servers.ts'

const namespace = `transaction-${randomBytes(6).toString('hex')}`

describe('a lock inside a transaction', () => {
  const url = addressOf('postgres')
  const engine = postgres({ connectionString: url, namespace })
  const pool = new pg.Pool({ connectionString: url })
  const [client, other, watcher] = [1, 2, 3].map(() => new pg.Client({ connectionString: url })) as [
    pg.Client,
    pg.Client,
    pg.Client,
  ]
  let locks = 0
  const newName = (): string => `lock ${(locks += 1)} */ ? $1 'ü'`

  before(async () => {
    for (const each of [client, other, watcher]) {
      each.on('error', () => {})
      await each.connect()
    }
  })

  after(async () => {
    for (const each of [client, other, watcher, pool]) await each.end()
  })

  async function waiters(name: string): Promise<number> {
    const { rows } = await watcher.query(
      `SELECT count(*)::int AS waiting FROM pg_locks WHERE NOT granted AND ${whereKey(keyOf(namespace, name))}`,
    )
    return (rows as { waiting: number }[])[0]!.waiting
  }

  test("excludes the engine's lock, and vice versa, until its transaction is over", async () => {
    for (const end of ['COMMIT', 'ROLLBACK']) {
      const name = newName()
      await client.query('BEGIN')
      assert.equal(await lockTransaction(client, name, { namespace }), true)
      assert.equal(await slocket.try(name, { engine }), null)
      const waiting = slocket(name, { engine })
      await until('it waits', async () => (await waiters(name)) === 1)
      await client.query(end)
      await using _lock = await waiting
      await client.query('BEGIN')
      assert.equal(await lockTransaction(client, name, { namespace, wait: false }), false)
      await client.query('COMMIT')
    }
  })

  test('is the lock of its own namespace', async () => {
    const name = newName()
    await using _lock = await slocket(name, { engine })
    await client.query('BEGIN')
    assert.equal(await lockTransaction(client, name, { wait: false }), true)
    await client.query('COMMIT')
  })

  test('shares with shared locks', async () => {
    const name = newName()
    await client.query('BEGIN')
    await other.query('BEGIN')
    await lockTransaction(client, name, { namespace, mode: 'shared' })
    assert.equal(await lockTransaction(other, name, { namespace, mode: 'shared', wait: false }), true)
    await (await slocket(name, { engine, mode: 'shared' })).release()
    assert.equal(await slocket.try(name, { engine }), null)
    await client.query('COMMIT')
    await other.query('COMMIT')
  })

  test("waits its turn among the engine's requests", async () => {
    const name = newName()
    const order: string[] = []
    const first = await slocket(name, { engine })
    const asking: Promise<unknown>[] = []
    // Noted while it holds.
    const ask = async (who: string, waiting: (note: () => void) => Promise<void>): Promise<void> => {
      asking.push(waiting(() => void order.push(who)))
      await until(`${who} waits`, async () => (await waiters(name)) === asking.length)
    }
    const byEngine = async (note: () => void): Promise<void> => {
      await using _lock = await slocket(name, { engine })
      note()
    }
    await ask('engine', byEngine)
    await ask('transaction', async (note) => {
      await client.query('BEGIN')
      await lockTransaction(client, name, { namespace })
      note()
      await client.query('COMMIT')
    })
    await ask('engine again', byEngine)
    // Whether the lock is free or not, a try doesn't overtake waiters.
    await other.query('BEGIN')
    assert.equal(await lockTransaction(other, name, { namespace, wait: false, mode: 'shared' }), false)
    await other.query('COMMIT')
    await first.release()
    await Promise.all(asking)
    assert.deepEqual(order, ['engine', 'transaction', 'engine again'])
  })

  test('a timeout leaves the transaction and its settings unchanged', async () => {
    const name = newName()
    await using _lock = await slocket(name, { engine })
    await client.query('BEGIN')
    await client.query("SET LOCAL lock_timeout TO '7s'")
    await client.query('CREATE TEMPORARY TABLE kept (value int) ON COMMIT DROP')
    await client.query('INSERT INTO kept VALUES (5)')
    for (const timeout of [0, 50, 0.5]) {
      await assert.rejects(lockTransaction(client, name, { namespace, timeout }), (error: Error) => {
        assert.ok(isSlocketError(error, 'ERR_SLOCKET_TIMEOUT'), String(error))
        assert.ok(error.message.includes(name))
        return true
      })
    }
    assert.equal(await waiters(name), 0)
    const { rows } = await client.query("SELECT value, current_setting('lock_timeout') AS limit FROM kept")
    assert.deepEqual(rows, [{ value: 5, limit: '7s' }])
    // And it can take another lock, which it has at the end of it all.
    const second = newName()
    assert.equal(await lockTransaction(client, second, { namespace, timeout: 1000 }), true)
    assert.equal(await slocket.try(second, { engine }), null)
    await client.query('COMMIT')
    await (await slocket.try(second, { engine }))!.release()
  })

  test("a user's own lock_timeout does not end a wait", async () => {
    const name = newName()
    const lock = await slocket(name, { engine })
    await client.query('BEGIN')
    await client.query("SET LOCAL lock_timeout TO '1ms'")
    const waiting = lockTransaction(client, name, { namespace })
    await until('it waits', async () => (await waiters(name)) === 1)
    // Longer than that.
    await watcher.query('SELECT pg_sleep(0.05)')
    await lock.release()
    assert.equal(await waiting, true)
    const { rows } = await client.query("SELECT current_setting('lock_timeout') AS limit")
    assert.deepEqual(rows, [{ limit: '1ms' }])
    await client.query('COMMIT')
  })

  test('outside of a transaction it is an error, however the statements are sent, and nothing is locked', async () => {
    const name = newName()
    const extended: TransactionClient = {
      query: (text) => client.query({ text, queryMode: 'extended' } as pg.QueryConfig),
    }
    for (const outside of [client, pool, extended]) {
      for (const options of [{ wait: false }, { timeout: 1000 }, {}]) {
        await assert.rejects(lockTransaction(outside, name, { namespace, ...options }), (error) =>
          isSlocketError(error, 'ERR_SLOCKET_NO_TRANSACTION'),
        )
      }
    }
    await (await slocket.try(name, { engine }))!.release()
    // After a transaction, too.
    await client.query('BEGIN')
    await lockTransaction(client, name, { namespace })
    await client.query('COMMIT')
    await assert.rejects(lockTransaction(client, name, { namespace }), (error) =>
      isSlocketError(error, 'ERR_SLOCKET_NO_TRANSACTION'),
    )
  })

  test("outside of a transaction it is an error, whatever operators are in the role's search_path", async () => {
    await other.query(`CREATE SCHEMA shadow;
      CREATE FUNCTION shadow.always(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
      CREATE OPERATOR shadow.= (LEFTARG = text, RIGHTARG = text, FUNCTION = shadow.always)`)
    await other.query('SET search_path TO shadow, pg_catalog')
    try {
      for (const options of [{ wait: false }, {}]) {
        await assert.rejects(lockTransaction(other, newName(), { namespace, ...options }), (error) =>
          isSlocketError(error, 'ERR_SLOCKET_NO_TRANSACTION'),
        )
      }
    } finally {
      await other.query('RESET search_path')
      await other.query('DROP SCHEMA shadow CASCADE')
    }
  })

  test('outside of a transaction it does not wait, either', async () => {
    const name = newName()
    await using _lock = await slocket(name, { engine })
    await assert.rejects(lockTransaction(client, name, { namespace }), (error) =>
      isSlocketError(error, 'ERR_SLOCKET_NO_TRANSACTION'),
    )
  })

  test('a transaction gets its own lock again at once, also several at a time, and loses it with its savepoint', async () => {
    const name = newName()
    await client.query('BEGIN')
    await client.query('SAVEPOINT before')
    const taken = await Promise.all(
      [1, 2, 3].map((number) => lockTransaction(client, name, { namespace, timeout: 1000 * number })),
    )
    assert.deepEqual(taken, [true, true, true])
    await client.query('ROLLBACK TO before')
    await (await slocket.try(name, { engine }))!.release()
    await client.query('COMMIT')
  })

  test('several waits of one transaction each have an outcome', async () => {
    const [held, free] = [newName(), newName()]
    await using _lock = await slocket(held, { engine })
    await client.query('BEGIN')
    const settled = await Promise.allSettled(
      [held, free, held].map((name) => lockTransaction(client, name, { namespace, timeout: 30 })),
    )
    assert.deepEqual(
      settled.map(({ status }) => status),
      ['rejected', 'fulfilled', 'rejected'],
    )
    await client.query('COMMIT')
  })

  test('two transactions that wait for each other: the server ends one, with its own error', async () => {
    const [one, two] = [newName(), newName()]
    await client.query('BEGIN')
    await other.query('BEGIN')
    await lockTransaction(client, one, { namespace })
    await lockTransaction(other, two, { namespace })
    const asking = [lockTransaction(client, two, { namespace }), lockTransaction(other, one, { namespace })]
    const ended = await Promise.any(
      asking.map((each, index) =>
        each.then(
          () => Promise.reject(new Error('it has got it')),
          (error: unknown) => ({ error, index }),
        ),
      ),
    )
    assert.equal((ended.error as { code?: unknown }).code, '40P01')
    await [client, other][ended.index]!.query('ROLLBACK')
    assert.equal(await asking[1 - ended.index]!, true)
    await [client, other][1 - ended.index]!.query('COMMIT')
  })

  test("in a failed transaction, the server's error is passed on", async () => {
    await client.query('BEGIN')
    await assert.rejects(client.query('SELECT 1 / 0'))
    await assert.rejects(lockTransaction(client, newName(), { namespace }), { code: '25P02' })
    await client.query('ROLLBACK')
  })

  test('ends with its connection, also while the engine waits', async () => {
    const name = newName()
    const own = new pg.Client({ connectionString: url })
    own.on('error', () => {})
    await own.connect()
    await own.query('BEGIN')
    await lockTransaction(own, name, { namespace })
    const waiting = slocket(name, { engine })
    await until('it waits', async () => (await waiters(name)) === 1)
    ;(own as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy()
    await (await waiting).release()
  })
})
