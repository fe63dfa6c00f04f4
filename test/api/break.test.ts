// slocket.break takes a lock away from its holders, as the command does.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import { describe, mock, test } from 'node:test'
import { promisify } from 'node:util'
import type { LockRequest, LockSnapshot } from '../../src/index.ts'
import { isSlocketError, memory, slocket } from '../../src/index.ts'
import { ticketsIn } from '../helpers/lock-directory.ts'
import { pathOfLength } from '../helpers/path-of-length.ts'
import { reasonNotRoot, reasonWithout } from '../helpers/privileges.ts'
import { scenario } from '../helpers/scenario.ts'
import { ANN, asUser, openTo } from '../helpers/users.ts'
import { exceptOnWindows } from '../helpers/windows.ts'

const INDEX = new URL('../../src/index.js', import.meta.url).href
const isLost = (error: unknown): boolean => isSlocketError(error, 'ERR_SLOCKET_LOST')

scenario('slocket.break takes a lock from its holder, who is notified, and the next waiter gets it', async (scene) => {
  const [holder, next] = await scene.spawnAll('holder', 'next')
  await holder.acquire(scene.path, { label: 'nightly' })
  await next.enqueue(scene.path)
  scene.journal.write({ kind: '!', who: holder.name })
  const lost = await slocket.break(scene.path)
  assert.deepEqual(
    lost.map(({ pid, label, mode, self }) => [pid, label, mode, self]),
    [[holder.pid, 'nightly', 'exclusive', false]],
  )
  assert.equal((await holder.next('lost')).code, 'ERR_SLOCKET_LOST')
  await next.next('granted')
  await holder.release()
  assert.equal(await next.isHolding(), true)
  await next.release()
})

scenario('slocket.break takes a lock from all shared holders, and affects no waiter', async (scene) => {
  const [one, two, writer] = await scene.spawnAll('one', 'two', 'writer')
  await one.acquire(scene.path, { mode: 'shared' })
  await two.acquire(scene.path, { mode: 'shared' })
  await writer.enqueue(scene.path)
  for (const { name } of [one, two]) scene.journal.write({ kind: '!', who: name })
  const lost = await slocket.break(scene.path)
  assert.deepEqual(new Set(lost.map(({ pid }) => pid)), new Set([one.pid, two.pid]))
  await writer.next('granted')
  await writer.release()
})

scenario('slocket.break passes all holders of permits to confirm before it takes the permits', async (scene) => {
  const [one, two, third] = await scene.spawnAll('one', 'two', 'third')
  await one.acquire(scene.path, { permits: 2 })
  await two.acquire(scene.path, { permits: 2 })
  await third.enqueue(scene.path, { permits: 2 })
  const pids = (requests: readonly LockRequest[]): unknown => new Set(requests.map(({ pid }) => pid))
  const shown: LockRequest[] = []
  const lost = await slocket.break(scene.path, {
    confirm: (held) => {
      shown.push(...held)
      for (const { name } of [one, two]) scene.journal.write({ kind: '!', who: name })
      return Promise.resolve(true)
    },
  })
  assert.deepEqual([pids(shown), pids(lost)], [new Set([one.pid, two.pid]), new Set([one.pid, two.pid])])
  assert.equal(lost[0]!.permits, 2)
  await third.next('granted')
  await third.release()
})

scenario('slocket.break takes nothing unless confirm returns true', async (scene) => {
  const holder = await scene.spawn('holder')
  await holder.acquire(scene.path)
  for (const answer of [false, undefined, 'yes', 1, Promise.resolve(false)]) {
    assert.deepEqual(await slocket.break(scene.path, { confirm: () => answer as boolean }), [])
  }
  const reason = new Error('mine')
  const confirm = (): never => {
    throw reason
  }
  await assert.rejects(slocket.break(scene.path, { confirm }), (error) => error === reason)
  await assert.rejects(
    slocket.break(scene.path, { confirm: () => Promise.reject(reason) }),
    (error) => error === reason,
  )
  assert.equal(await holder.isHolding(), true)
  await holder.release()
})

scenario('slocket.break takes nothing from a holder that came after the call of confirm', async (scene) => {
  const [first, second] = await scene.spawnAll('first', 'second')
  await first.acquire(scene.path)
  await second.enqueue(scene.path)
  const lost = await slocket.break(scene.path, {
    confirm: async () => {
      await first.release()
      await second.next('granted')
      return true
    },
  })
  assert.deepEqual(lost, [])
  assert.equal(await second.isHolding(), true)
  assert.equal(await first.try(scene.path), false)
  await second.release()
})

scenario('slocket.break takes nothing from a later holder with the same ticket', async (scene) => {
  const holder = await scene.spawn('holder')
  await holder.acquire(scene.path, { label: 'job 1' }, 'first')
  holder.send({ do: 'acquire', path: scene.path, as: 'second', options: { label: 'job 2' } })
  const [shown] = ticketsIn(scene.path)
  const lost = await slocket.break(scene.path, {
    confirm: async (held) => {
      assert.deepEqual(
        held.map(({ label }) => label),
        ['job 1'],
      )
      await holder.release('first')
      await holder.next('granted', 'second')
      return true
    },
  })
  assert.deepEqual(lost, [])
  assert.deepEqual(
    ticketsIn(scene.path).map(({ name }) => name),
    [shown!.name],
  )
  assert.equal(await holder.isHolding('second'), true)
  await holder.release('second')
})

scenario('slocket.break of a shared lock returns only the holders that still held it', async (scene) => {
  const holder = await scene.spawn('holder')
  await holder.acquire(scene.path, { mode: 'shared', label: 'job 1' }, 'first')
  await holder.acquire(scene.path, { mode: 'shared', label: 'job 2' }, 'second')
  assert.equal(ticketsIn(scene.path).length, 1)
  const lost = await slocket.break(scene.path, {
    confirm: async (held) => {
      assert.equal(held.length, 2)
      await holder.release('first')
      scene.journal.write({ kind: '!', who: holder.name })
      return true
    },
  })
  assert.deepEqual(
    lost.map(({ label }) => label),
    ['job 2'],
  )
  assert.equal((await holder.next('lost')).code, 'ERR_SLOCKET_LOST')
})

scenario(
  'slocket.break resolves if there is no descriptor left to notify the former holders',
  { skip: exceptOnWindows('a pipe needs no path') },
  async (scene) => {
    const path = pathOfLength(scene, 200)
    const holder = await scene.spawn('holder')
    await holder.acquire(path)
    scene.journal.write({ kind: '!', who: holder.name })
    const { openSync } = fs
    let failures = 0
    const open = mock.method(fs, 'openSync', (...parameters: Parameters<typeof openSync>) => {
      if (parameters[0] !== path || ticketsIn(path).length > 0) return openSync(...parameters)
      failures += 1
      throw Object.assign(new Error('EMFILE: too many open files, open'), { code: 'EMFILE' })
    })
    try {
      // Not by its label, which a busy holder may say too late.
      assert.equal((await slocket.break(path)).length, 1)
    } finally {
      open.mock.restore()
    }
    assert.ok(failures > 0)
    await holder.next('lost')
  },
)

scenario('slocket.break can take a lock from its own process', async (scene) => {
  const lock = await slocket(scene.path, { linger: 0 })
  const [lost] = await slocket.break(scene.path)
  assert.deepEqual([lost?.pid, lost?.self, lock.held], [process.pid, true, false])
  assert.throws(() => lock.assertHeld(), isLost)
  const blocking = slocket.sync(scene.path, { linger: 0 })
  assert.equal((await slocket.break(scene.path))[0]?.pid, process.pid)
  assert.equal(blocking.held, false)
})

scenario('slocket.break of a lock without a holder changes nothing, and creates nothing', async (scene) => {
  const confirm = (): never => assert.fail('must not be called')
  assert.deepEqual(await slocket.break(scene.path, { confirm }), [])
  assert.equal(fs.existsSync(scene.path), false)
  const holder = await scene.spawn('holder')
  await holder.acquire(scene.path)
  await holder.kill()
  // It has died: its lock is free.
  assert.deepEqual(await slocket.break(scene.path, { confirm }), [])
  fs.rmSync(scene.path, { recursive: true })
  fs.writeFileSync(scene.path, 'precious')
  assert.deepEqual(await slocket.break(scene.path, { confirm }), [])
  assert.equal(fs.readFileSync(scene.path, 'utf8'), 'precious')
  await assert.rejects(slocket.break(scene.directory), { code: 'ERR_SLOCKET_NOT_A_LOCK' })
})

scenario(
  "slocket.break of another user's lock is an error",
  { skip: reasonNotRoot() || reasonWithout('setpriv', '--version') },
  async (scene) => {
    const place = openTo(scene, 0o1777)
    const lock = await slocket(place, { access: 'all', linger: 0 })
    const program = `import slocket from ${JSON.stringify(INDEX)}
      await slocket.break(process.argv[1]).catch(({ code, message }) => console.log(code, message))`
    const [command, ...parameters] = asUser(ANN)
    const { stdout } = await promisify(execFile)(command!, [
      ...parameters,
      process.execPath,
      '--input-type=module',
      '-e',
      program,
      place,
    ])
    assert.match(stdout, /^ERR_SLOCKET_PERMISSION 1 of 1 /)
    assert.equal(lock.held, true)
    await lock.release()
  },
)

describe('slocket.break with an engine that steals', () => {
  test('takes nothing if other holders came after the call of confirm', async () => {
    const engine = memory()
    const first = await slocket('lock', { engine })
    const confirm = async (): Promise<boolean> => {
      await first.release()
      const { held } = await slocket.query('lock', { engine })
      assert.equal(held.length, 1)
      return true
    }
    const second = slocket('lock', { engine, label: 'second' })
    assert.deepEqual(await slocket.break('lock', { engine, confirm }), [])
    assert.equal((await second).held, true)
    await (await second).release()
  })

  test('takes no permits, and affects no waiter', async () => {
    const engine = memory()
    const held = await slocket('lock', { engine, permits: 1 })
    const waiting = slocket('lock', { engine, permits: 1 })
    await assert.rejects(slocket.break('lock', { engine }), { code: 'ERR_SLOCKET_CLAIM_MISMATCH' })
    assert.equal(held.held, true)
    await held.release()
    await (await waiting).release()
  })

  test('an engine that can neither steal nor break is a TypeError', async () => {
    const able = memory()
    const engine = { ...able, capabilities: { ...able.capabilities, steal: false } }
    const lock = await slocket('lock', { engine })
    await assert.rejects(slocket.break('lock', { engine }), TypeError)
    assert.equal(lock.held, true)
    await lock.release()
    const { capabilities, ...bare } = memory()
    assert.equal(capabilities.steal, true)
    await assert.rejects(
      slocket.break('lock', { engine: bare as never }),
      /^TypeError: options\.engine: .*cannot be taken/,
    )
  })
})

test('slocket.break rejects wrong arguments', async () => {
  const engine = memory()
  for (const wrong of [
    null,
    'yes',
    { confirm: true },
    { confirm: null },
    { yes: true },
    { timeout: 5 },
    { engine: 1 },
  ]) {
    await assert.rejects(slocket.break('lock', wrong as object), TypeError, JSON.stringify(wrong))
  }
  await assert.rejects(slocket.break('lock', { label: 'mine' } as object), /slocket\.break\(\): it takes the lock from/)
  await assert.rejects(slocket.query('lock', { label: 'mine' } as object), /slocket\.query\(\): it only looks/)
  for (const wrong of ['', 5, undefined, new URL('http://host/')]) {
    await assert.rejects(slocket.break(wrong as string, { engine }), TypeError)
  }
  const nobody: LockSnapshot = { held: [], pending: [] }
  assert.deepEqual(await slocket.query('lock', { engine }), nobody)
})
