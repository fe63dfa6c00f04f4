// What administrators, and programs, may have set, and what else a server is short of: locks are locks all the same.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, describe, test } from 'node:test'
import pg from 'pg'
import { postgres } from '../../../src/engines/postgres/index.ts'
import { isSlocketError, slocket } from '../../../src/index.ts'
import { pass, until } from '../../helpers/until.ts'
import { addressOf } from '../helpers/servers.ts'
import { administer } from './admin.ts'

const HEARTBEAT_MS = 300
const id = randomBytes(6).toString('hex')

describe('settings made by others', () => {
  const url = addressOf('postgres')
  const namespace = `settings-${id}`
  const role = `slocket_settings_${id}`
  const own = url.replace(/\/\/[^@]*@/, `//${role}@`)
  const evil = `evil_${id}`

  after(async () => {
    await administer(url, `DROP SCHEMA IF EXISTS ${evil} CASCADE`)
    const [exists] = await administer(url, `SELECT FROM pg_roles WHERE rolname = '${role}'`)
    if (exists !== undefined) await administer(url, `DROP OWNED BY ${role}`, `DROP ROLE ${role}`)
  })

  test('functions and operators with the same names in an earlier schema are not called', async () => {
    const shadows = [
      'pg_advisory_lock(bigint) RETURNS void',
      'pg_try_advisory_lock(bigint) RETURNS boolean',
      'pg_advisory_unlock(bigint) RETURNS boolean',
      'pg_backend_pid() RETURNS int',
      'pg_is_in_recovery() RETURNS boolean',
      'set_config(text, text, boolean) RETURNS text',
      'current_setting(text, boolean) RETURNS text',
      'current_setting(text) RETURNS text',
      'to_regclass(text) RETURNS regclass',
      'nextval(text) RETURNS bigint',
    ]
    await administer(
      url,
      `CREATE ROLE ${role} LOGIN`,
      `CREATE SCHEMA ${evil}`,
      `GRANT USAGE ON SCHEMA ${evil} TO ${role}`,
      `GRANT CREATE ON SCHEMA public TO ${role}`,
      ...shadows.map(
        (shadow) => `CREATE FUNCTION ${evil}.${shadow} LANGUAGE sql AS 'SELECT NULL::${shadow.split(' ').at(-1)}'`,
      ),
      `CREATE FUNCTION ${evil}.never(int, int) RETURNS boolean LANGUAGE sql AS 'SELECT false'`,
      `CREATE OPERATOR ${evil}.= (LEFTARG = int, RIGHTARG = int, FUNCTION = ${evil}.never)`,
      `ALTER ROLE ${role} SET search_path = ${evil}, pg_catalog`,
    )
    const sequence = `public.of_${role}`
    const engines = [1, 2].map(() => postgres({ connectionString: own, namespace, sequence }))
    const lock = await slocket('shadowed', { engine: engines[0]! })
    assert.equal(await slocket.try('shadowed', { engine: engines[1]! }), null)
    assert.equal((await slocket.query('shadowed', { engine: engines[1]! })).held.length, 1)
    const waiting = slocket('shadowed', { engine: engines[1]! })
    await lock.release()
    assert.ok((await waiting).token > lock.token)
    await (await waiting).release()
  })

  test('limits that the program sets for all its clients of `pg` end no wait of slocket', async () => {
    const { query_timeout: before } = pg.defaults
    const engine = postgres({ connectionString: url, namespace })
    try {
      pg.defaults.query_timeout = 200
      const lock = await slocket('limited', { engine })
      const waiting = slocket('limited', { engine })
      await pass(600)
      await lock.release()
      await (await waiting).release()
    } finally {
      if (before === undefined) delete pg.defaults.query_timeout
      else pg.defaults.query_timeout = before
    }
    for (const setting of ['query_timeout', 'statement_timeout', 'lock_timeout'])
      assert.throws(() => postgres({ connectionString: `${url}?${setting}=200` }), TypeError)
  })

  test('a waiter in a separate database does not block CREATE INDEX CONCURRENTLY elsewhere; in the same one it does', async () => {
    const database = `slocket_index_${id}`
    const table = `slocket_index_${id}`
    const apart = url.replace(/[^/]*$/, database)
    await administer(url, `CREATE DATABASE ${database}`)
    await administer(url, `CREATE TABLE ${table} (a int)`)
    try {
      for (const connectionString of [apart, url]) {
        const engine = postgres({ connectionString, namespace })
        const lock = await slocket('migrations', { engine, linger: 0 })
        const waiting = slocket('migrations', { engine, linger: 0 })
        await until('it waits', async () => (await slocket.query('migrations', { engine })).pending.length === 1)
        const limit = `SET statement_timeout = ${connectionString === url ? 500 : 30_000}`
        const indexing = administer(url, limit, `CREATE INDEX CONCURRENTLY ON ${table} (a)`)
        if (connectionString === url) await assert.rejects(indexing, /statement timeout/)
        else await indexing
        await lock.release()
        await (await waiting).release()
      }
    } finally {
      await administer(url, `DROP TABLE ${table}`)
      await administer(url, `DROP DATABASE ${database} WITH (FORCE)`)
    }
  })

  test('when the server has no connections left, a try is refused, and waiters continue to wait', async () => {
    const few = `slocket_few_${id}`
    await administer(url, `CREATE ROLE ${few} LOGIN CONNECTION LIMIT 2`, `GRANT CREATE ON SCHEMA public TO ${few}`)
    try {
      const sequence = `public.of_${few}`
      const connectionString = url.replace(/\/\/[^@]*@/, `//${few}@`)
      const engine = postgres({ connectionString, namespace, sequence, heartbeat: HEARTBEAT_MS })
      const lock = await slocket('short', { engine, linger: 0 })
      const controller = new AbortController()
      const waiting = slocket('short', { engine, signal: controller.signal, linger: 0 })
      await until('it waits', async () => {
        const statement = `SELECT FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND usename = '${few}'`
        return (await administer(url, statement)).length === 1
      })
      await assert.rejects(slocket.try('other', { engine }), (error) => isSlocketError(error, 'ERR_SLOCKET_RESOURCES'))
      // Before it is let in, somebody has to see the one before it wait.
      const behind = slocket('short', { engine, linger: 0 })
      let outcome = ''
      waiting.then(
        () => (outcome = 'granted'),
        (error: unknown) => (outcome = String(error)),
      )
      await pass(10 * HEARTBEAT_MS)
      assert.equal(outcome, '')
      lock.assertHeld()
      controller.abort()
      await assert.rejects(waiting, (error) => error === controller.signal.reason)
      await lock.release()
      await (await behind).release()
    } finally {
      await administer(url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '${few}'`)
      await until('its sessions have ended', async () => {
        return (await administer(url, `SELECT FROM pg_stat_activity WHERE usename = '${few}'`)).length === 0
      })
      await administer(url, `DROP OWNED BY ${few}`, `DROP ROLE ${few}`)
    }
  })

  test('a role with few connections: requests share those, without a limit of the engine', async () => {
    const few = `slocket_scant_${id}`
    await administer(url, `CREATE ROLE ${few} LOGIN CONNECTION LIMIT 4`, `GRANT CREATE ON SCHEMA public TO ${few}`)
    try {
      const connectionString = url.replace(/\/\/[^@]*@/, `//${few}@`)
      const engine = postgres({ connectionString, namespace, sequence: `public.of_${few}` })
      for (const linger of [0, 1000]) {
        let holding = 0
        const bodies = Array.from({ length: 40 }, (_, index) =>
          slocket.with(`turn-${index % 20}`, { engine, linger }, async () => {
            holding += 1
            assert.ok(holding <= 4)
            await pass(5)
            holding -= 1
          }),
        )
        await Promise.all(bodies)
      }
      // None of its own, while others have all of them.
      const others = await Promise.all(
        Array.from({ length: 4 }, () =>
          until('there is a connection', async () => {
            const client = new pg.Client({ connectionString })
            return await client.connect().then(
              () => client,
              () => undefined,
            )
          }),
        ),
      )
      const alone = postgres({ connectionString, namespace, sequence: `public.of_${few}` })
      await assert.rejects(slocket('turn-0', { engine: alone }), { code: 'ERR_SLOCKET_RESOURCES' })
      for (const client of others) await client.end()
    } finally {
      await administer(url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '${few}'`)
      await until('its sessions have ended', async () => {
        return (await administer(url, `SELECT FROM pg_stat_activity WHERE usename = '${few}'`)).length === 0
      })
      await administer(url, `DROP OWNED BY ${few}`, `DROP ROLE ${few}`)
    }
  })

  test('a timeout while all connections are in use says by which locks', async () => {
    const engine = postgres({ connectionString: url, namespace, maxConnections: 2 })
    const locks = await Promise.all(['used-a', 'used-b'].map((name) => slocket(name, { engine })))
    // Long enough to query the server for the holder meanwhile.
    await assert.rejects(slocket('used-c', { engine, timeout: 1000 }), {
      code: 'ERR_SLOCKET_TIMEOUT',
      message:
        /nobody holds it now; .*all 2 connections of this engine .* in use, by the locks 'used-[ab]', 'used-[ab]'$/,
    })
    await assert.rejects(slocket.try('used-c', { engine }), /by the locks 'used-[ab]', 'used-[ab]'$/)
    for (const lock of locks) await lock.release()
    await assert.rejects(
      slocket('used-c', { engine, timeout: 50 }).then(() => slocket('used-c', { engine, timeout: 50 })),
      (error: Error) => {
        assert.doesNotMatch(error.message, /in use/)
        return true
      },
    )
  })

  test("a role's settings of transactions, plans and strings change nothing", async () => {
    const strict = `slocket_strict_${id}`
    await administer(
      url,
      `CREATE ROLE ${strict} LOGIN`,
      `GRANT CREATE ON SCHEMA public TO ${strict}`,
      `ALTER ROLE ${strict} SET default_transaction_isolation = serializable`,
      `ALTER ROLE ${strict} SET default_transaction_deferrable = on`,
      `ALTER ROLE ${strict} SET default_transaction_read_only = on`,
      `ALTER ROLE ${strict} SET idle_in_transaction_session_timeout = '100ms'`,
      `ALTER ROLE ${strict} SET synchronous_commit = off`,
      `ALTER ROLE ${strict} SET standard_conforming_strings = off`,
      `ALTER ROLE ${strict} SET plan_cache_mode = force_custom_plan`,
      `ALTER ROLE ${strict} SET row_security = off`,
    )
    const connectionString = url.replace(/\/\/[^@]*@/, `//${strict}@`)
    const engine = postgres({ connectionString, namespace, sequence: `public.of_${strict}` })
    const lock = await slocket('strict', { engine, label: String.raw`\'; */ --` })
    const waiting = slocket('strict', { engine })
    await pass(300)
    assert.equal((await slocket.query('strict', { engine })).held[0]!.label, String.raw`\'; */ --`)
    await lock.release()
    await (await waiting).release()
    await administer(url, `DROP OWNED BY ${strict}`, `DROP ROLE ${strict}`)
  })
})
