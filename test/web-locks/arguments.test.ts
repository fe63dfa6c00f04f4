// The interface as WebIDL demands it: arguments converted and checked in order, brands, tags, lengths.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { LockManager as Manager } from '../../src/index.ts'
import { isSlocketError, LockManager, locks, memory } from '../../src/index.ts'

type Loose = (...given: unknown[]) => Promise<unknown>

const manager = new LockManager({ engine: memory() })
const request: Loose = (...given) => (manager.request as Loose).apply(manager, given)
const nothing = (): void => {}

async function assertTypeError(...given: unknown[]): Promise<void> {
  await assert.rejects(request(...given), TypeError)
}

describe('arguments', () => {
  test('a name and a callback are required, and the callback is a function', async () => {
    await assertTypeError()
    await assertTypeError('name')
    for (const callback of [undefined, null, 123, 'abc', [], {}, Promise.resolve()]) {
      await assertTypeError('name', callback)
      await assertTypeError('name', {}, callback)
    }
    await assertTypeError('name', nothing, undefined)
    assert.equal(await request('name', undefined, () => 1, 'more'), 1)
    assert.equal(await request('name', null, () => 2), 2)
  })

  test('a name is converted to a string; a symbol is an error', async () => {
    const nameOf = (lock: { name: string }): string => lock.name
    assert.equal(await request(12, nameOf), '12')
    assert.equal(await request(null, nameOf), 'null')
    assert.equal(await request({ toString: () => 'object' }, nameOf), 'object')
    await assert.rejects(request(Symbol('name'), nothing), TypeError)
    const failure = { name: 'failure' }
    const thrower = {
      toString: () => {
        throw failure
      },
    }
    await assert.rejects(request(thrower, nothing), (error) => error === failure)
  })

  test('options are an object, or missing', async () => {
    for (const options of [1, 'options', true, Symbol('options'), 1n]) {
      await assert.rejects(request('name', options, nothing), TypeError)
    }
    for (const options of [undefined, null, {}, [], nothing]) assert.equal(await request('name', options, () => 3), 3)
  })

  test("a mode is 'exclusive' or 'shared'", async () => {
    const modeOf = (lock: { mode: string }): string => lock.mode
    assert.equal(await request('name', modeOf), 'exclusive')
    assert.equal(await request('name', { mode: undefined }, modeOf), 'exclusive')
    assert.equal(await request('name', { mode: 'shared' }, modeOf), 'shared')
    assert.equal(await request('name', { mode: { toString: () => 'shared' } }, modeOf), 'shared')
    for (const mode of ['foo', null, '', 'Shared', 0, Symbol('mode')]) {
      await assert.rejects(request('name', { mode }, nothing), TypeError)
    }
  })

  test('a signal is an AbortSignal', async () => {
    const impostor: unknown = Object.create(AbortSignal.prototype)
    for (const signal of [null, 'signal', 12.34, false, {}, Symbol('signal'), nothing, globalThis, impostor]) {
      await assert.rejects(request('name', { signal }, nothing), TypeError)
    }
    assert.equal(await request('name', { signal: undefined }, () => 4), 4)
    assert.equal(await request('name', { signal: AbortSignal.any([new AbortController().signal]) }, () => 5), 5)
  })

  test('arguments are converted in order: the name, the options by name, the callback', async () => {
    const order: string[] = []
    const options = Object.defineProperties(
      {},
      Object.fromEntries(
        ['steal', 'signal', 'mode', 'ifAvailable'].map((name) => [name, { get: () => void order.push(name) }]),
      ),
    )
    const name = { toString: () => String(order.push('name')) }
    await assertTypeError(name, options, 'no callback')
    assert.deepEqual(order, ['name', 'ifAvailable', 'mode', 'signal', 'steal'])
  })

  test('nothing is thrown synchronously', async () => {
    const promise = request()
    assert.ok(promise instanceof Promise)
    await assert.rejects(promise)
  })

  test('the combination of options is checked before the signal', async () => {
    const signal = AbortSignal.abort('reason')
    const isUnsupported = (error: unknown): boolean =>
      error instanceof DOMException && error.name === 'NotSupportedError' && error.code === 9
    for (const [name, options] of [
      ['-', {}],
      ['-foo', {}],
      ['-', { signal }],
      ['name', { steal: true, ifAvailable: true }],
      ['name', { steal: 1, ifAvailable: 'yes' }],
      ['name', { steal: true, mode: 'shared' }],
      ['name', { signal, steal: true }],
      ['name', { signal, ifAvailable: true }],
    ] as const) {
      await assert.rejects(request(name, options, nothing), isUnsupported)
    }
    for (const name of ['x-anything', '\u2010', ' -']) assert.equal(await request(name, () => 6), 6)
  })

  test('an aborted signal rejects with its reason, whatever that is', async () => {
    for (const reason of [new Error('reason'), 'reason', null, 0, '']) {
      const called = request('name', { signal: AbortSignal.abort(reason) }, () => assert.fail('called'))
      await assert.rejects(called, (error) => error === reason)
    }
    const snapshot = await manager.query()
    assert.deepEqual(snapshot, { held: [], pending: [] })
  })
})

describe('the interface', () => {
  test('methods are as long and as enumerable as WebIDL requires', () => {
    const { prototype } = LockManager
    for (const [name, length] of [
      ['request', 2],
      ['query', 0],
    ] as const) {
      const { value, ...how } = Object.getOwnPropertyDescriptor(prototype, name)!
      assert.equal((value as Loose).length, length)
      assert.equal((value as Loose).name, name)
      assert.deepEqual(how, { writable: true, enumerable: true, configurable: true })
      assert.throws(() => Reflect.construct(value as new () => unknown, []), TypeError)
    }
    assert.equal(LockManager.name, 'LockManager')
    assert.equal(Object.prototype.toString.call(locks), '[object LockManager]')
    assert.ok(locks instanceof LockManager)
  })

  test('methods of anything but a LockManager reject with a TypeError', async () => {
    for (const wrong of [undefined, {}, Object.create(manager) as unknown, LockManager.prototype]) {
      await assert.rejects((manager.request as Loose).call(wrong, 'name', nothing), TypeError)
      await assert.rejects((manager.query as Loose).call(wrong), TypeError)
    }
  })

  test('a lock has a read-only name and mode, on its prototype', async () => {
    const lock = (await request('name', { mode: 'shared' }, (one: object) => one)) as Record<string, unknown>
    const prototype = Object.getPrototypeOf(lock) as object
    assert.equal(Object.prototype.toString.call(lock), '[object Lock]')
    assert.deepEqual(Object.keys(lock), [])
    for (const [attribute, value] of [
      ['name', 'name'],
      ['mode', 'shared'],
    ] as const) {
      assert.equal(lock[attribute], value)
      const { get, set, enumerable } = Object.getOwnPropertyDescriptor(prototype, attribute)!
      assert.deepEqual([set, enumerable], [undefined, true])
      assert.throws(() => get!.call({}), TypeError)
      assert.throws(() => get!.call(prototype), TypeError)
      assert.throws(() => Object.assign(lock, { [attribute]: 'other' }), TypeError)
    }
    const { constructor } = prototype as { constructor: new () => unknown }
    assert.equal(constructor.name, 'Lock')
    assert.throws(() => new constructor(), TypeError)
  })

  test('a snapshot is plain data', async () => {
    await request('name', async () => {
      const snapshot = await manager.query()
      assert.deepEqual(JSON.parse(JSON.stringify(snapshot)), snapshot)
      assert.deepEqual(Object.keys(snapshot), ['held', 'pending'])
      assert.deepEqual(Object.keys(snapshot.held[0]!).sort(), ['clientId', 'mode', 'name'])
    })
  })

  test('a manager is for a directory or for an engine, not for both', () => {
    const wrong: readonly unknown[] = [
      null,
      'root',
      { root: '' },
      { root: 1 },
      { root: 'a\0b' },
      { engine: {} },
      { engine: null },
      { root: 'root', engine: memory() },
    ]
    for (const options of wrong) {
      assert.throws(() => new LockManager(options as ConstructorParameters<typeof LockManager>[0]), TypeError)
    }
  })

  test('an unusable root is a SecurityError, after errors in arguments and before all others', async () => {
    const nowhere: Manager = new LockManager({ root: '/nonexistent/root' })
    await assert.rejects((nowhere.request as Loose).call(nowhere), TypeError)
    for (const act of [() => nowhere.request('name', nothing), () => nowhere.query()]) {
      await assert.rejects(act, (error) => {
        assert.ok(error instanceof DOMException)
        assert.deepEqual([error.name, error.code], ['SecurityError', 18])
        return isSlocketError(error.cause, 'ERR_SLOCKET_NO_PARENT')
      })
    }
  })

  test('an engine without stealing, or without names, reports that', async () => {
    const { acquire, query, name, capabilities } = memory()
    const plain = new LockManager({ engine: { acquire, query, name, capabilities: { ...capabilities, steal: false } } })
    await assert.rejects(plain.request('name', { steal: true }, nothing), { name: 'NotSupportedError' })
    await assert.rejects(plain.query(), { name: 'NotSupportedError' })
    assert.equal(await plain.request('name', () => 7), 7)
  })
})
