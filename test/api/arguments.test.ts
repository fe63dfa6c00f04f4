import assert from 'node:assert/strict'
import os from 'node:os'
import { describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { memory, slocket } from '../../src/index.ts'
import type { Lock, SlocketOptions } from '../../src/index.ts'
import type { LockCallback } from '../../src/slocket.ts'
import { createSlocket } from '../../src/slocket.ts'

type Raises = readonly [kind: typeof TypeError | typeof RangeError, message: RegExp]

const engine = memory()

const WRONG_PATHS: readonly (readonly [unknown, ...Raises])[] = [
  [undefined, TypeError, /path must be a string/],
  [null, TypeError, /path must be a string or a file: URL, not null/],
  [42, TypeError, /path must be a string or a file: URL, not a value of type number/],
  [{}, TypeError, /path must be a string/],
  [Buffer.from('lock'), TypeError, /path must be a string/],
  [new URL('http://host/tmp/lock'), TypeError, /path must be a string or a file: URL, not one of http:/],
  [new URL('file:///tmp/a%2Fb'), TypeError, /path is a URL that names no file/],
  [new URL('file:///tmp/%FF'), TypeError, /path is a URL that names no file/],
  [new URL(`${pathToFileURL(os.tmpdir()).href}/a%00b`), TypeError, /NUL/],
  // On Windows, that is a path of a network share.
  ...(process.platform === 'win32'
    ? []
    : [[new URL('file://host/lock'), TypeError, /path is a URL that names no file/] as const]),
  [{ href: 'file:///tmp/lock' }, TypeError, /path must be a string/],
  ['', TypeError, /path must not be empty/],
  ['a\0b', TypeError, /NUL/],
]

const WRONG_OPTIONS: readonly (readonly [unknown, ...Raises])[] = [
  [null, TypeError, /options must be an object, not null/],
  ['shared', TypeError, /options must be an object, not 'shared'/],
  [5000, TypeError, /options must be an object/],
  [[], TypeError, /options must be an object/],
  [{ mode: 'both' }, TypeError, /options\.mode must be 'exclusive' or 'shared', not 'both'/],
  [{ mode: null }, TypeError, /options\.mode/],
  [{ mode: 1 }, TypeError, /options\.mode/],
  [{ permits: '2' }, TypeError, /options\.permits must be a number/],
  [{ permits: null }, TypeError, /options\.permits must be a number, not null/],
  [{ permits: 2n }, TypeError, /options\.permits must be a number/],
  [{ permits: 0 }, RangeError, /options\.permits must be a whole number from 1 to 1000000, not 0/],
  [{ permits: -1 }, RangeError, /options\.permits/],
  [{ permits: 1.5 }, RangeError, /options\.permits/],
  [{ permits: NaN }, RangeError, /options\.permits/],
  [{ permits: Infinity }, RangeError, /options\.permits/],
  [{ permits: 1_000_001 }, RangeError, /options\.permits/],
  [{ take: 1 }, TypeError, /options\.take needs options\.permits/],
  [{ take: 1, mode: 'shared' }, TypeError, /options\.take needs options\.permits/],
  [{ permits: 3, take: '2' }, TypeError, /options\.take must be a number/],
  [{ permits: 3, take: null }, TypeError, /options\.take must be a number, not null/],
  [{ permits: 3, take: 0 }, RangeError, /options\.take must be a whole number from 1 to 3, not 0/],
  [{ permits: 3, take: 4 }, RangeError, /options\.take must be a whole number from 1 to 3, not 4/],
  [{ permits: 3, take: 1.5 }, RangeError, /options\.take/],
  [{ permits: 3, take: NaN }, RangeError, /options\.take/],
  [{ permits: 2, mode: 'shared' }, TypeError, /options\.permits cannot be given with options\.mode 'shared'/],
  [{ timeout: '5' }, TypeError, /options\.timeout must be a number \(ms\), not '5'/],
  [{ timeout: null }, TypeError, /options\.timeout must be a number \(ms\), not null/],
  [{ timeout: -1 }, RangeError, /options\.timeout must be from 0 to 2147483647 ms, not -1/],
  [{ timeout: NaN }, RangeError, /options\.timeout/],
  [{ timeout: 2 ** 31 }, RangeError, /options\.timeout/],
  [{ timeout: -Infinity }, RangeError, /options\.timeout/],
  [{ signal: new AbortController() }, TypeError, /options\.signal must be an AbortSignal/],
  [{ signal: null }, TypeError, /options\.signal must be an AbortSignal, not null/],
  [{ label: 7 }, TypeError, /options\.label must be a string/],
  [{ label: null }, TypeError, /options\.label must be a string, not null/],
  [{ label: 'l'.repeat(201) }, RangeError, /options\.label must have at most 200 characters/],
  [{ onWait: true }, TypeError, /options\.onWait must be a function/],
  [{ onWait: null }, TypeError, /options\.onWait must be a function, not null/],
  [{ waitNoticeAfter: '1' }, TypeError, /options\.waitNoticeAfter must be a number/],
  [{ waitNoticeAfter: -1 }, RangeError, /options\.waitNoticeAfter must be from 0/],
  [{ waitNoticeAfter: Infinity }, RangeError, /options\.waitNoticeAfter/],
  [{ parents: 'yes' }, TypeError, /options\.parents must be a boolean, not 'yes'/],
  [{ parents: null }, TypeError, /options\.parents must be a boolean, not null/],
  [{ linger: '1' }, TypeError, /options\.linger must be a number/],
  [{ linger: -1 }, RangeError, /options\.linger/],
  [{ linger: Infinity }, RangeError, /options\.linger/],
  [{ slice: '1' }, TypeError, /options\.slice must be a number/],
  [{ slice: -1 }, RangeError, /options\.slice must be from 0 to 60000 ms/],
  [{ slice: 60_001 }, RangeError, /options\.slice/],
  [{ slice: NaN }, RangeError, /options\.slice/],
  [{ slice: 1, mode: 'shared' }, TypeError, /options\.slice cannot be given with/],
  [{ slice: 1, permits: 3 }, TypeError, /options\.slice cannot be given with/],
  [{ atLeast: '1' }, TypeError, /options\.atLeast must be a number/],
  [{ atLeast: Infinity }, RangeError, /options\.atLeast must be from 0 to 2147483647 ms/],
  [{ engine: 'memory' }, TypeError, /options\.engine must be an engine, not 'memory'/],
  [{ engine: null }, TypeError, /options\.engine must be an engine, not null/],
  [{ engine: {} }, TypeError, /options\.engine must be an engine/],
  [{ access: 'everybody' }, TypeError, /options\.access must be 'user', 'group' or 'all', not 'everybody'/],
  [{ access: 0o777 }, TypeError, /options\.access must be/],
  [{ access: null }, TypeError, /options\.access must be 'user', 'group' or 'all', not null/],
  [{ access: 'all', engine }, TypeError, /options\.access cannot be given with options\.engine/],
  [{ engine: memory }, TypeError, /options\.engine must be an engine/],
]

describe('arguments', () => {
  test('every function rejects a wrong path', async () => {
    for (const [path, kind, message] of WRONG_PATHS) {
      for (const reject of promisesOf(path, { engine })) await assert.rejects(reject, isError(kind, message))
      assert.throws(() => slocket(path as string, { engine }, fail), isError(kind, message))
      assert.throws(() => slocket(path as string, fail), isError(kind, message))
    }
  })

  test('every function rejects a wrong option', async () => {
    for (const [options, kind, message] of WRONG_OPTIONS) {
      const wrong = options as SlocketOptions
      for (const reject of promisesOf('lock', wrong))
        await assert.rejects(reject, isError(kind, message), String(message))
      assert.throws(() => slocket('lock', wrong, fail), isError(kind, message))
    }
  })

  test('without a callback, wrong arguments reject; nothing is thrown synchronously', async () => {
    const wrong = null as unknown as SlocketOptions
    const started = [
      slocket('', wrong),
      slocket.try('', wrong),
      slocket.with('', wrong, fail),
      slocket.query('', wrong),
    ]
    for (const promise of started) await assert.rejects(promise, TypeError)
  })

  test('the smallest and the largest allowed values are accepted', async () => {
    const signal = new AbortController().signal
    for (const options of [
      {},
      {
        mode: undefined,
        permits: undefined,
        take: undefined,
        timeout: undefined,
        signal: undefined,
        label: undefined,
        linger: undefined,
      },
      { mode: 'exclusive' },
      { mode: 'shared' },
      { permits: 1 },
      { permits: 1_000_000, mode: 'exclusive' },
      { permits: 1_000_000, take: 1_000_000 },
      { timeout: 0 },
      { timeout: 0.5 },
      { timeout: 2 ** 31 - 1 },
      { timeout: Infinity },
      { signal },
      { label: '' },
      { label: 'l'.repeat(200) },
      { onWait: () => {}, waitNoticeAfter: 0 },
      { waitNoticeAfter: 2 ** 31 - 1 },
      { linger: 0 },
      { linger: 2 ** 31 - 1 },
      { slice: 0, mode: 'shared' },
      { slice: 0.5 },
      { slice: 60_000 },
      { atLeast: 0 },
      { atLeast: 0.5 },
    ] as const) {
      await (await slocket('lock', { ...options, engine })).release()
    }
  })

  test('an option that has no meaning for a call is an error that says why', async () => {
    const signal = new AbortController().signal
    for (const timeout of [0, 5, Infinity]) {
      await assert.rejects(
        slocket.try('lock', { timeout, engine } as object),
        isError(TypeError, /^unknown option 'timeout' of slocket\.try\(\): it never waits/),
      )
    }
    const ofAQuery = {
      mode: 'shared',
      permits: 3,
      take: 2,
      timeout: 5,
      signal,
      label: 'me',
      linger: 0,
      slice: 0,
      access: 'user',
      parents: true,
      onWait: () => {},
      waitNoticeAfter: 0,
      atLeast: 0,
      reentrant: false,
    }
    for (const [name, value] of Object.entries(ofAQuery)) {
      await assert.rejects(
        slocket.query('lock', { [name]: value }),
        isError(TypeError, new RegExp(`^unknown option '${name}' of slocket\\.query\\(\\): it only looks`)),
      )
    }
    for (const [name, value] of Object.entries({ signal, engine, atLeast: 0, reentrant: false })) {
      assert.throws(
        () => slocket.sync('/nowhere/lock', { [name]: value }),
        isError(
          TypeError,
          new RegExp(
            `^unknown option '${name}' of slocket\\.sync\\(\\): (nothing can abort|it takes local|it releases|only slocket)`,
          ),
        ),
      )
    }
  })

  test('an option that has no meaning for a call may be undefined', async () => {
    const options = { mode: undefined, timeout: undefined, signal: undefined, engine }
    await (await slocket.try('lock', options))!.release()
    assert.deepEqual(await slocket.query('lock', options as object), { held: [], pending: [] })
    await assert.rejects(slocket.try('lock', { timeuot: undefined, engine } as object), TypeError)
  })

  test('a value that must be a function, but is not, is an error', async () => {
    for (const wrong of ['callback', 1, {}, null]) {
      assert.throws(() => slocket('lock', {}, wrong as never), isError(TypeError, /callback must be a function/))
      await assert.rejects(
        async () => await slocket.with('lock', {}, wrong as never),
        isError(TypeError, /the last argument must be a function/),
      )
    }
    await assert.rejects(
      async () => await slocket.with('lock', undefined as never),
      isError(TypeError, /must be a function/),
    )
    await assert.rejects(
      async () => await slocket.with('lock', { engine } as never),
      isError(TypeError, /must be a function/),
    )
  })

  test('undefined counts as a missing argument', async () => {
    const withUndefined = slocket as (path: string, options: SlocketOptions, callback: undefined) => Promise<Lock>
    await (await withUndefined('lock', { engine }, undefined)).release()
    assert.equal(await createSlocket(() => engine, slocket.sync).with('lock', undefined, () => 'done'), 'done')
    await (await createSlocket(() => engine, slocket.sync)('lock', undefined)).release()
    const withCallbackFirst = createSlocket(() => engine, slocket.sync) as (
      path: string,
      callback: LockCallback,
      missing: undefined,
    ) => void
    const held = await new Promise<Lock>((resolve, reject) => {
      withCallbackFirst('lock', (error, lock) => (error === null ? resolve(lock!) : reject(error)), undefined)
    })
    await held.release()
  })
})

function promisesOf(path: unknown, options: SlocketOptions): (() => Promise<unknown>)[] {
  const isObject = typeof options === 'object' && options !== null
  const forms: (() => Promise<unknown>)[] = [
    async () => await slocket(path as string, options),
    async () => await slocket.with(path as string, options, fail),
  ]
  if (!isObject || !('timeout' in options || 'onWait' in options || 'waitNoticeAfter' in options))
    forms.push(async () => await slocket.try(path as string, options))
  if (!isObject || Object.keys(options).every((name) => name === 'engine'))
    forms.push(async () => await slocket.query(path as string, options))
  return forms
}

function fail(): void {
  assert.fail('must not be called')
}

function isError(kind: typeof TypeError | typeof RangeError, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof kind, `${String(error)} is no ${kind.name}`)
    assert.match(error.message, message)
    return true
  }
}
