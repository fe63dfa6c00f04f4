import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import slocket, { isSlocketError, local, LockManager, memory } from '../../src/index.ts'

describe('on Windows', () => {
  const here = Object.getOwnPropertyDescriptor(process, 'platform')!
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-platform-'))
  const lock = path.join(directory, 'lock')
  const refused = (error: unknown): boolean => isSlocketError(error, 'ERR_SLOCKET_UNSUPPORTED_PLATFORM')

  before(() => Object.defineProperty(process, 'platform', { ...here, value: 'win32' }))
  after(() => {
    Object.defineProperty(process, 'platform', here)
    fs.rmSync(directory, { recursive: true })
  })

  test('an unsupported call fails with its own code before anything is created', async () => {
    const body = (): never => assert.fail('called without the lock')
    await assert.rejects(slocket(lock, { access: 'all' }), refused)
    await assert.rejects(slocket.try(lock, { access: 'user' }), refused)
    await assert.rejects(slocket.query(lock, { engine: local({ access: 'group' }) }), refused)
    await assert.rejects(new LockManager({ root: lock, access: 'all' }).request('name', body), {
      name: 'SecurityError',
    })
    assert.deepEqual(fs.readdirSync(directory), [])
  })

  test('the callback gets that error', async () => {
    const [error, given] = await new Promise<unknown[]>((resolve) => {
      slocket(lock, { access: 'all' }, (...results) => resolve(results))
    })
    assert.ok(refused(error), String(error))
    assert.equal(given, undefined)
  })

  test('the message says what is not supported', async () => {
    await assert.rejects(slocket(lock, { access: 'all' }), /on Windows/)
  })

  test('the memory engine works', async () => {
    const engine = memory()
    const held = await slocket(lock, { engine })
    assert.equal(await slocket.try(lock, { engine }), null)
    assert.equal((await slocket.query(lock, { engine })).held.length, 1)
    await held.release()
    assert.equal(await slocket.with(lock, { engine }, (own) => own.held), true)
  })
})
