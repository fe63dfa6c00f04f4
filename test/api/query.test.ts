import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { local, memory, slocket } from '../../src/index.ts'
import { makeParent } from './run-child.ts'
import { NO_ACCESS } from '../helpers/windows.ts'

describe('slocket.query', () => {
  const { lockPath, dispose } = makeParent()
  after(dispose)

  test('shows exactly these properties, and omits unknown ones', async () => {
    const options = { engine: memory() }
    const beforeMs = Date.now()
    const held = await slocket('lock', { ...options, label: 'holder' })
    const waiting = slocket('lock', { ...options, mode: 'shared' })
    let snapshot = await slocket.query('lock', options)
    while (snapshot.pending.length === 0) snapshot = await slocket.query('lock', options)
    const common = { pid: process.pid, command: process.argv.join(' '), self: true }
    const { since } = snapshot.held[0]!
    assert.deepEqual(snapshot.held, [{ mode: 'exclusive', since, label: 'holder', ...common }])
    assert.deepEqual(snapshot.pending, [{ mode: 'shared', since: snapshot.pending[0]!.since, ...common }])
    assert.ok(since!.getTime() >= beforeMs && since!.getTime() <= Date.now())
    await held.release()
    await (await waiting).release()
  })

  test('shows the number of permits, and how many are taken', async () => {
    const engine = memory()
    const held = await slocket('lock', { engine, permits: 3, take: 2 })
    const snapshot = await slocket.query('lock', { engine })
    assert.equal(snapshot.held[0]?.permits, 3)
    assert.equal(snapshot.held[0]?.take, 2)
    assert.equal(snapshot.held[0]?.mode, 'exclusive')
    await held.release()
  })

  test('shows no holders at an unused path, and creates nothing', async () => {
    assert.deepEqual(await slocket.query(lockPath), { held: [], pending: [] })
    assert.deepEqual(await slocket.query(`${lockPath}/not/there`), { held: [], pending: [] })
    assert.deepEqual(await slocket.query(lockPath), { held: [], pending: [] })
  })

  test('self is this thread, whatever access it uses', { skip: NO_ACCESS }, async () => {
    const held = await slocket(lockPath, { access: 'user', linger: 0 })
    const waiting = [slocket(lockPath, { access: 'all' }), slocket(lockPath)]
    let snapshot = await slocket.query(lockPath)
    while (snapshot.pending.length < waiting.length) snapshot = await slocket.query(lockPath)
    assert.deepEqual(
      [...snapshot.held, ...snapshot.pending].map(({ self }) => self),
      [true, true, true],
    )
    await held.release()
    await Promise.all(waiting.map(async (lock) => (await lock).release()))
  })

  test('self is the calling client; others have a command', async () => {
    const one = local()
    const other = local()
    const held = await slocket(lockPath, { engine: one, linger: 0 })
    const own = await slocket.query(lockPath, { engine: one })
    const seen = await slocket.query(lockPath, { engine: other })
    assert.equal(own.held[0]?.self, true)
    assert.equal(seen.held[0]?.self, false)
    assert.equal(seen.held[0]?.command, process.argv.join(' ').slice(0, 1000))
    assert.equal(seen.held[0]?.pid, process.pid)
    assert.equal(seen.held[0]?.since?.getTime(), own.held[0]?.since?.getTime())
    await held.release()
  })
})
