/** What is special about local locks on Windows: paths, what is at them, and what a machine leaves that has lost its power. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, mock, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { isSlocketError, local, lockPathFor, LockManager, slocket } from '../../src/index.ts'
import { DELETE_ON_CLOSE, ELSEWHERE, NO_SHARING } from './on-windows.ts'

const LEAVE = { linger: 0 }

describe('a local lock on Windows', { skip: ELSEWHERE }, () => {
  const parent = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-windows-'))
  after(() => fs.rmSync(parent, { recursive: true, maxRetries: 20 }))
  let count = 0
  const newPath = (): string => path.join(parent, `lock-${(count += 1)}`)

  for (const [what, other] of [
    ['in capitals', (lock: string) => lock.toUpperCase()],
    ['with slashes', (lock: string) => lock.replaceAll('\\', '/')],
    ['with the prefix for long paths', (lock: string) => `\\\\?\\${lock}`],
    ['relative to the drive', (lock: string) => lock.slice(2)],
    ['relative to the working directory of the drive', (lock: string) => lock.slice(0, 2) + path.basename(lock)],
    ['by a file: URL', (lock: string) => pathToFileURL(lock)],
  ] as const) {
    test(`is the same by its path ${what}`, async () => {
      const lock = newPath()
      const before = process.cwd()
      if (what.startsWith('relative to')) process.chdir(parent)
      const held = await slocket(lock, LEAVE)
      assert.equal(await slocket.try(other(lock), { ...LEAVE, engine: local() }), null)
      assert.equal((await slocket.query(other(lock))).held.length, 1)
      await held.release()
      await (await slocket(other(lock), LEAVE)).release()
      // A directory that is somebody's working directory stays.
      process.chdir(before)
      assert.equal(fs.existsSync(lock), false)
    })
  }

  test('can have a path of more than 260 characters', async () => {
    const deep = path.join(parent, ...Array<string>(6).fill('d'.repeat(60)))
    fs.mkdirSync(deep, { recursive: true })
    const lock = path.join(deep, 'lock')
    assert.ok(lock.length > 260)
    const held = await slocket(lock, LEAVE)
    assert.equal(await slocket.try(lock, { engine: local() }), null)
    await held.release()
    assert.deepEqual(fs.readdirSync(deep), [])
  })

  test('is an error on a network share, and at a name that Windows reserves', async () => {
    const isNetworkError = (error: unknown): boolean => isSlocketError(error, 'ERR_SLOCKET_NETWORK_FILE_SYSTEM')
    await assert.rejects(slocket('\\\\server\\share\\lock'), isNetworkError)
    await assert.rejects(slocket.query('//server/share/lock'), isNetworkError)
    await assert.rejects(slocket(new URL('file://server/share/lock')), isNetworkError)
    assert.throws(() => slocket.sync('\\\\server\\share\\lock'), isNetworkError)
    await assert.rejects(slocket(path.join(parent, 'nul')), TypeError)
    await assert.rejects(slocket(path.join(parent, 'a:b')), TypeError)
  })

  for (const [what, realpath] of [
    ['that stands for a network share', () => '\\\\server\\share\\directory'],
    [
      'of which the system cannot say what it is',
      () => {
        throw Object.assign(new Error('EISDIR: illegal operation on a directory, realpath'), { code: 'EISDIR' })
      },
    ],
  ] as const) {
    test(`is an error on a drive ${what}, and nothing is created`, async () => {
      const isNetworkError = (error: unknown): boolean => isSlocketError(error, 'ERR_SLOCKET_NETWORK_FILE_SYSTEM')
      const lock = newPath()
      const mocked = mock.method(fs.realpathSync, 'native', realpath).mock
      try {
        await assert.rejects(slocket(lock), isNetworkError)
        await assert.rejects(slocket(path.join(lock, 'below', 'lock'), { parents: true }), isNetworkError)
      } finally {
        mocked.restore()
      }
      assert.equal(fs.existsSync(lock), false)
    })
  }

  test('with a name that Windows reserves is an error before the directories above it are created', async () => {
    const above = newPath()
    await assert.rejects(slocket(path.join(above, 'nul'), { parents: true }), TypeError)
    assert.equal(fs.existsSync(above), false)
  })

  test('is an error in a directory where this user may create nothing, and works once that is allowed', async () => {
    const lock = newPath()
    const mocked = mock.method(fs, 'mkdirSync', () => {
      throw Object.assign(new Error('EPERM: operation not permitted, mkdir'), { code: 'EPERM' })
    }).mock
    try {
      await assert.rejects(slocket(lock), (error) => isSlocketError(error, 'ERR_SLOCKET_PERMISSION'))
      await assert.rejects(slocket.try(lock), (error) => isSlocketError(error, 'ERR_SLOCKET_PERMISSION'))
    } finally {
      mocked.restore()
    }
    await (await slocket(lock, LEAVE)).release()
    assert.equal(fs.existsSync(lock), false)
  })

  test("of a file has the same path by every spelling of the file's path", () => {
    const file = path.join(parent, 'data.json')
    fs.writeFileSync(file, '{}')
    const lock = lockPathFor(file)
    for (const other of [file.replaceAll('\\', '/'), pathToFileURL(file)]) assert.equal(lockPathFor(other), lock)
  })

  test('is not left in the queue by a request that fails while it joins', async () => {
    const root = path.join(parent, 'names-of-failure')
    const locks = new LockManager({ root })
    const mocked = mock.method(fs, 'writeFileSync', () => {
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
    }).mock
    try {
      await assert.rejects(locks.request('name', () => {}))
    } finally {
      mocked.restore()
    }
    const other = new LockManager({ root })
    assert.equal(await other.request('name', { ifAvailable: true }, (lock) => lock?.name), 'name')
  })

  test('is an error if the parent is missing', async () => {
    await assert.rejects(slocket(path.join(parent, 'no', 'lock')), (error) =>
      isSlocketError(error, 'ERR_SLOCKET_NO_PARENT'),
    )
  })

  test('is an error in a directory with other content, and nothing there is touched', async () => {
    const lock = newPath()
    fs.mkdirSync(lock)
    fs.writeFileSync(`${lock}/precious`, 'content')
    await assert.rejects(slocket(lock), (error) => isSlocketError(error, 'ERR_SLOCKET_NOT_A_LOCK'))
    assert.equal((await slocket.query(lock)).obstacle?.kind, 'directory')
    assert.deepEqual(fs.readdirSync(lock), ['precious'])
  })

  test('waits for a file at its path to go; a try does not', async () => {
    const lock = newPath()
    fs.writeFileSync(lock, 'of another program')
    assert.equal(await slocket.try(lock), null)
    assert.equal((await slocket.query(lock)).obstacle?.kind, 'file')
    const waiting = slocket(lock, LEAVE)
    assert.equal(await Promise.race([waiting, new Promise((done) => setTimeout(done, 300, 'waits'))]), 'waits')
    assert.equal(fs.readFileSync(lock, 'utf8'), 'of another program')
    fs.unlinkSync(lock)
    await (await waiting).release()
  })

  test('leaves a directory that another program has created', async () => {
    const lock = newPath()
    fs.mkdirSync(lock)
    await (await slocket(lock, LEAVE)).release()
    assert.deepEqual(fs.readdirSync(lock), [])
  })

  test('skips the tickets that a power failure has left, removes them, and has recovered', async () => {
    const lock = newPath()
    fs.mkdirSync(lock)
    const number = String(process.hrtime.bigint()).padStart(19, '0')
    for (const claim of ['s', 'x']) fs.writeFileSync(`${lock}/2-${number}-${claim}-4711-aaaaaaaaaaaa-00000000`, '')
    const [first, second] = [await slocket(lock), slocket(lock, { engine: local() })]
    assert.equal(first.recovered, true)
    assert.equal(fs.readdirSync(lock).filter((name) => name.includes('-4711-')).length, 0)
    await first.release()
    const next = await second
    assert.equal(next.recovered, false)
    await next.release()
  })

  test('skips such tickets behind it, too, even if their numbers are of another boot', async () => {
    const lock = newPath()
    fs.mkdirSync(lock)
    fs.writeFileSync(`${lock}/2-8000000000000000000-x-4711-aaaaaaaaaaaa-00000000`, '')
    const held = await slocket(lock)
    assert.equal(held.recovered, true)
    await held.release()
  })

  for (const options of [{}, { mode: 'shared' }, { permits: 2 }] as const) {
    test(`waits for a process that removes unused entries: ${JSON.stringify(options)}`, async () => {
      const lock = newPath()
      await (await slocket(lock, options)).release()
      const number = String(process.hrtime.bigint()).padStart(19, '0')
      const name = `${lock}/2-${number}-x-4711-aaaaaaaaaaaa-00000003`
      const flags = fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL | NO_SHARING | DELETE_ON_CLOSE
      const descriptor = fs.openSync(name, flags)
      const waiting = slocket(lock, options)
      assert.equal(await Promise.race([waiting, new Promise((done) => setTimeout(done, 200, 'waits'))]), 'waits')
      assert.equal(await slocket.try(lock, { ...options, engine: local() }), null)
      const { held: holding, pending } = await slocket.query(lock)
      assert.deepEqual(
        [...holding, ...pending].filter(({ pid }) => pid === 4711),
        [],
      )
      fs.closeSync(descriptor)
      const held = await waiting
      assert.equal(held.recovered, false)
      await held.release()
    })
  }

  test('is not refused to a try because another process removes unused entries, slowly', async () => {
    const lock = newPath()
    await (await slocket(lock)).release()
    const number = String(process.hrtime.bigint() - 100_000_000n).padStart(19, '0')
    const name = `${lock}/2-${number}-x-4711-aaaaaaaaaaaa-00000003`
    const flags = fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL | NO_SHARING | DELETE_ON_CLOSE
    const descriptor = fs.openSync(name, flags)
    const trying = slocket.try(lock, { ...LEAVE, engine: local() })
    setImmediate(() => fs.closeSync(descriptor))
    const held = await trying
    assert.equal(held?.held, true)
    await held.release()
  })

  test('works with all forms of the API', async () => {
    const lock = newPath()
    assert.equal(await slocket.with(lock, (held) => held.held), true)
    const called = await new Promise<unknown>((done) => slocket(lock, (error, held) => done(error ?? held?.release())))
    assert.equal(called instanceof Error, false)
    await using held = await slocket(lock, { timeout: 1000, label: 'mine' })
    assert.equal((await slocket.query(lock)).held[0]?.label, 'mine')
    await assert.rejects(slocket(lock, { timeout: 10 }), (error: Error) => /'mine'/.test(error.message))
    held.assertHeld()
  })
})
