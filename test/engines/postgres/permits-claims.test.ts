// Permits on PostgreSQL beside exclusive and shared claims, which they exclude.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import pg from 'pg'
import { lockTransaction, postgres } from '../../../src/engines/postgres/index.ts'
import { keyOf, permitKeyOf } from '../../../src/engines/postgres/key.ts'
import { PermitKeys } from '../../../src/engines/postgres/permit-keys.ts'
import { isSlocketError, slocket } from '../../../src/index.ts'
import { pass, until } from '../../helpers/until.ts'
import { Pooler, withoutPgBouncer } from '../helpers/pooler.ts'
import { assertFree, fresh, namespace, open, untilAtGate, url } from './permits.ts'

const isMismatch = (error: unknown): boolean => isSlocketError(error, 'ERR_SLOCKET_CLAIM_MISMATCH')

describe('permits on PostgreSQL, beside other claims', () => {
  test('permits and other locks exclude each other, also those of other kinds of clients', async () => {
    const [name, engine] = [fresh(), open()]
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    try {
      const permit = await slocket(name, { engine, permits: 2 })
      for (const mode of ['shared', 'exclusive'] as const) {
        await client.query('BEGIN')
        for (const wait of [true, false])
          await assert.rejects(lockTransaction(client, name, { mode, wait, namespace }), isMismatch)
        await client.query('ROLLBACK')
      }
      permit.assertHeld()
      await permit.release()
      for (const mode of ['shared', 'exclusive'] as const) {
        await client.query('BEGIN')
        assert.equal(await lockTransaction(client, name, { mode, namespace }), true)
        await assert.rejects(slocket(name, { engine, permits: 2 }), isMismatch)
        await assert.rejects(slocket.try(name, { engine, permits: 2 }), isMismatch)
        await client.query('COMMIT')
      }
    } finally {
      await client.end()
    }
    await assertFree(name, engine)
  })

  test('a pooler has no permits, and locks through it respect permits', { skip: withoutPgBouncer() }, async () => {
    const pooler = await Pooler.start(url, 'transaction', 20)
    try {
      const [name, engine] = [fresh(), open()]
      const pooled = postgres({ connectionString: pooler.url, namespace, pooler: 'transaction' })
      assert.equal(pooled.capabilities.permits, false)
      await assert.rejects(slocket(name, { engine: pooled, permits: 2 }), TypeError)
      const permit = await slocket(name, { engine, permits: 2 })
      for (const mode of ['shared', 'exclusive'] as const) {
        await assert.rejects(slocket(name, { engine: pooled, mode }), isMismatch)
        await assert.rejects(slocket.try(name, { engine: pooled, mode }), isMismatch)
      }
      await permit.release()
      const shared = await slocket(name, { engine: pooled, mode: 'shared' })
      await assert.rejects(slocket(name, { engine, permits: 2 }), isMismatch)
      await shared.release()
      await assertFree(name, engine)
    } finally {
      await pooler.end()
    }
  })

  test('a shared request that is refused does not cause later requests for permits to be refused while permits are held', async () => {
    const [name, engine] = [fresh(), open()]
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    try {
      const holder = await slocket(name, { engine, permits: 2 })
      await client.query('BEGIN')
      // It keeps the lock's own key, as a request of the engine does for a moment.
      await assert.rejects(lockTransaction(client, name, { mode: 'shared', namespace }), isMismatch)
      const second = await slocket(name, { engine, permits: 2 })
      const [third, fourth] = [slocket(name, { engine, permits: 2 }), slocket(name, { engine, permits: 2 })]
      await untilAtGate(name, 1)
      await holder.release()
      const held = [second, await third]
      await second.release()
      held.push(await fourth)
      await assert.rejects(lockTransaction(client, name, { mode: 'shared', namespace }), isMismatch)
      for (const lock of held) await lock.release()
      // Now the transaction can have it.
      assert.equal(await lockTransaction(client, name, { mode: 'shared', namespace }), true)
      await assert.rejects(slocket(name, { engine, permits: 2 }), isMismatch)
      await client.query('COMMIT')
    } finally {
      await client.end()
    }
    await assertFree(name, engine)
  })

  test('a session that ends, and releases its keys one by one, causes no request for permits to be refused', async () => {
    const [name, engine] = [fresh(), open()]
    const { gate } = new PermitKeys(permitKeyOf(namespace, name))
    const own = keyOf(namespace, name)
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    try {
      for (let round = 0; round < 3; round += 1) {
        await client.query(`SELECT pg_advisory_lock(${gate}), pg_advisory_lock_shared(${own})`)
        const waiting = slocket(name, { engine, permits: 1 })
        await until('it waits', async () => (await slocket.query(name, { engine })).pending.length === 1)
        await client.query(`SELECT pg_advisory_unlock(${gate}), pg_sleep(0.02), pg_advisory_unlock_shared(${own})`)
        await (await waiting).release()
      }
    } finally {
      await client.end()
    }
    await assertFree(name, engine)
  })

  test('simultaneous shared requests and requests for permits never hold together', async () => {
    const [name, a, b] = [fresh(), open(), open()]
    let [shared, permits, refused] = [0, 0, 0]
    const use = async (round: number): Promise<void> => {
      const isShared = round % 2 === 0
      const options = isShared ? ({ mode: 'shared' } as const) : { permits: 3 }
      try {
        const lock = await slocket(name, { engine: round % 3 === 0 ? a : b, ...options })
        if (isShared) shared += 1
        else permits += 1
        assert.ok(shared === 0 || permits === 0, `${shared} share, ${permits} have permits`)
        await pass(round % 3)
        if (isShared) shared -= 1
        else permits -= 1
        await lock.release()
      } catch (error) {
        assert.ok(isMismatch(error), String(error))
        refused += 1
      }
    }
    for (let round = 0; round < 60; round += 1)
      await Promise.all([0, 1, 2, 3].map((index) => use(round * 4 + index + round)))
    assert.ok(refused > 0 && refused < 240, `${refused} of 240 were refused`)
    await assertFree(name, a)
  })
})
