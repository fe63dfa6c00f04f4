// What can be seen of locks, and by which roles.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import pg from 'pg'
import { lockTransaction, postgres } from '../../../src/engines/postgres/index.ts'
import type { Engine } from '../../../src/index.ts'
import { slocket } from '../../../src/index.ts'
import { until } from '../../helpers/until.ts'
import { addressOf } from '../helpers/servers.ts'
import { administer } from './admin.ts'

const id = randomBytes(6).toString('hex')
const namespace = `query-all-${id}`

describe('a query of all locks in PostgreSQL', () => {
  const url = addressOf('postgres')
  const open = (role?: string, other: string = namespace): Engine =>
    postgres({ connectionString: role === undefined ? url : url.replace(/\/\/[^@]*@/, `//${role}@`), namespace: other })
  const [stranger, reader] = [`slocket_stranger_${id}`, `slocket_reader_${id}`]

  before(async () => {
    await (await slocket('first', { engine: open() })).release()
    for (const role of [stranger, reader])
      await administer(url, `CREATE ROLE ${role} LOGIN`, `GRANT USAGE, UPDATE ON SEQUENCE slocket_token TO ${role}`)
    await administer(url, `GRANT pg_read_all_stats TO ${reader}`)
  })

  after(async () => {
    for (const role of [stranger, reader]) await administer(url, `DROP OWNED BY ${role}`, `DROP ROLE ${role}`)
  })

  const all = async (engine: Engine): Promise<string[]> => [...(await engine.queryAll!()).keys()].sort()

  test('shows names, holders and waiters; other namespaces and programs are left out', async () => {
    const names = ['a', `*/ {"ü\u{1f512}"`, 'with\nlines', '\ud800', `long ${'x'.repeat(180)}`]
    const engine = open()
    const locks = await Promise.all(
      names.map((name) => engine.acquire(name, { claim: { kind: 'shared' }, wait: true, lingerMs: 0 })),
    )
    await using _elsewhere = await slocket('elsewhere', { engine: open(undefined, `${namespace}-2`) })
    const other = new pg.Client({ connectionString: url })
    await other.connect()
    await other.query('SELECT pg_advisory_lock(5)')
    const waiting = slocket('a', { engine })
    await until('it waits', async () => (await open().queryAll!()).get('a')?.pending.length === 1)
    for (const looking of [engine, open()]) {
      const snapshots = await looking.queryAll!()
      assert.deepEqual([...snapshots.keys()].sort(), [...names].sort())
      const { held, pending } = snapshots.get('a')!
      assert.deepEqual([held.length, held[0]!.claim.kind, held[0]!.pid], [1, 'shared', process.pid])
      assert.deepEqual([pending.length, pending[0]!.claim.kind], [1, 'exclusive'])
      assert.equal(held[0]!.self, looking === engine)
    }
    await other.end()
    for (const lock of locks) await lock!.release()
    await (await waiting).release()
    assert.deepEqual(await all(engine), [])
  })

  test('shows a name that is too long for the server only to its own engine', async () => {
    const [name, engine] = ['x'.repeat(3000), open()]
    await using _lock = await slocket(name, { engine })
    assert.deepEqual(await all(engine), [name])
    assert.deepEqual(await all(open()), [])
  })

  test('another role sees that a lock is held; its name, once it waits for it; and everything, if it may read all statements', async () => {
    const lock = await slocket('secret', { engine: open(), label: 'mine' })
    const engine = open(stranger)
    assert.deepEqual(await all(engine), [])
    const { held } = await slocket.query('secret', { engine })
    assert.deepEqual([held.length, held[0]!.pid, held[0]!.label, held[0]!.self], [1, undefined, undefined, false])
    assert.deepEqual(await all(open(reader)), ['secret'])
    const [seen] = (await slocket.query('secret', { engine: open(reader) })).held
    assert.deepEqual([seen!.pid, seen!.label], [process.pid, 'mine'])
    const waiting = slocket('secret', { engine })
    await until('it waits', async () => (await slocket.query('secret', { engine })).pending.length === 1)
    assert.deepEqual(await all(engine), ['secret'])
    await lock.release()
    await (await waiting).release()
  })

  test("shows a lock of a user's own transaction once another request waits for it", async () => {
    const [name, engine] = ['in a transaction', open()]
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    await client.query('BEGIN')
    await lockTransaction(client, name, { namespace })
    assert.equal((await slocket.query(name, { engine })).held.length, 1)
    assert.deepEqual(await all(engine), [])
    const waiting = slocket(name, { engine })
    await until('it is shown', async () => (await all(engine)).length === 1)
    await client.query('COMMIT')
    await client.end()
    await (await waiting).release()
  })
})
