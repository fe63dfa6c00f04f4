// An option that is misspelt, or belongs to another package, is refused: a lock that is taken without it may be another lock.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { SlocketOptions } from '../../src/index.ts'
import { local, LockManager, memory, slocket } from '../../src/index.ts'

const engine = memory()
const notCalled = (): void => assert.fail('must not be called')

type Call = readonly [name: string, call: (options: object) => Promise<unknown>]

/** Of slocket and its relatives that acquire a lock: they take the same options. */
const ACQUIRING: readonly Call[] = [
  ['slocket()', async (options) => await slocket('lock', { engine, ...options })],
  ['slocket()', async (options) => slocket('lock', { engine, ...options }, notCalled)],
  ['slocket.with()', async (options) => await slocket.with('lock', { engine, ...options }, notCalled)],
]
const CALLS: readonly Call[] = [
  ...ACQUIRING,
  ['slocket.try()', async (options) => await slocket.try('lock', { engine, ...options })],
  ['slocket.query()', async (options) => await slocket.query('lock', { engine, ...options })],
  ['slocket.break()', async (options) => await slocket.break('lock', { engine, ...options })],
  ['slocket.sync()', async (options) => slocket.sync('/nowhere/lock', options)],
  ['LockManager', async (options) => new LockManager(options)],
]

async function messageOf(call: () => Promise<unknown>): Promise<string> {
  try {
    await call()
  } catch (error) {
    assert.ok(error instanceof TypeError, String(error))
    return error.message
  }
  return 'none'
}

describe('an unknown option', () => {
  test('is an error of every function that takes options, which names the function', async () => {
    for (const [name, call] of CALLS) {
      const message = await messageOf(() => call({ zzzzzzzzzz: 1 }))
      assert.ok(message.startsWith(`unknown option 'zzzzzzzzzz' of ${name}: known are `), message)
    }
    assert.deepEqual(await engine.query('lock'), { held: [], pending: [] })
  })

  test('that is misspelt is an error that names the right one', async () => {
    const misspelt: Readonly<Record<string, string>> = {
      timout: 'timeout',
      timeOut: 'timeout',
      timeoutMs: 'timeout',
      Mode: 'mode',
      permit: 'permits',
      signals: 'signal',
      lable: 'label',
      lingerMs: 'linger',
      engin: 'engine',
    }
    for (const [name, right] of Object.entries(misspelt)) {
      for (const [of, call] of ACQUIRING) {
        assert.equal(
          await messageOf(() => call({ [name]: undefined })),
          `unknown option '${name}' of ${of}: did you mean '${right}'?`,
        )
      }
    }
    assert.match(await messageOf(async () => new LockManager({ rooot: '/x' } as object)), /did you mean 'root'/)
  })

  test('of another package is an error that says what to do instead', async () => {
    const others: Readonly<Record<string, RegExp>> = {
      stale: /as soon as its holder dies/,
      update: /as soon as its holder dies/,
      ttl: /as soon as its holder dies/,
      retries: /'timeout'/,
      wait: /'timeout'/,
      retryWait: /'timeout'/,
      pollPeriod: /'timeout'/,
      realpath: /path/,
      name: /first argument/,
      key: /first argument/,
      ifAvailable: /slocket\.try/,
      nonBlocking: /slocket\.try/,
      steal: /LockManager/,
      shared: /mode: 'shared'/,
      concurrency: /permits/,
      onCompromised: /lock\.signal/,
      mkdirp: /'parents'/,
      reentrant: /only slocket\.with\(\)/,
      recursive: /'reentrant'/,
      lockAtLeastFor: /'atLeast'/,
    }
    for (const [name, message] of Object.entries(others)) {
      assert.match(await messageOf(() => slocket('lock', { engine, [name]: 1 } as SlocketOptions)), message, name)
    }
    for (const name of ['path', 'directory', 'dir', 'name']) {
      assert.match(await messageOf(async () => new LockManager({ [name]: 'x' })), /'root'/, name)
    }
  })

  test('of a named request is ignored, as the Web Locks specification requires', async () => {
    const locks = new LockManager({ engine: memory() })
    assert.equal(await locks.request('name', { timeout: 5 } as object, () => 'done'), 'done')
  })
})

test('is an error of an engine without options', () => {
  const openLocal = local as (options?: unknown) => unknown
  const openMemory = memory as (store?: unknown) => unknown
  for (const wrong of [{ root: '/x' }, '/x', 1, null]) {
    assert.throws(() => openLocal(wrong), TypeError)
    assert.throws(() => openMemory(wrong), TypeError)
  }
  assert.doesNotThrow(() => [openLocal(undefined), openMemory(undefined)])
})
