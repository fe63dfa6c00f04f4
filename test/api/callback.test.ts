import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import type { Lock } from '../../src/index.ts'
import { isSlocketError, memory, slocket } from '../../src/index.ts'
import { makeParent, runChild } from './run-child.ts'

describe('the callback form', () => {
  const { lockPath, dispose } = makeParent()
  after(dispose)

  test('is called once with the lock, and not before the call has returned', async () => {
    const engine = memory()
    let calls = 0
    let hasReturned = false
    const lock = await new Promise<Lock>((resolve, reject) => {
      const returned: unknown = slocket('lock', { engine }, (error, given) => {
        calls += 1
        assert.equal(hasReturned, true)
        if (given === undefined) reject(error)
        else resolve(given)
        assert.equal(error, null)
      })
      hasReturned = true
      assert.equal(returned, undefined)
    })
    await lock.release()
    await turns()
    assert.equal(calls, 1)
  })

  test('is called once with an error, without a lock', async () => {
    const engine = memory()
    const held = await slocket('lock', { engine })
    const calls: unknown[][] = []
    await new Promise<void>((resolve) => {
      slocket('lock', { engine, timeout: 0 }, (...given) => {
        calls.push(given)
        resolve()
      })
    })
    await turns()
    assert.equal(calls.length, 1)
    assert.ok(isSlocketError(calls[0]![0], 'ERR_SLOCKET_TIMEOUT'))
    assert.equal(calls[0]![1], undefined)
    await held.release()
  })

  test('gets the reason of an abort', async () => {
    const reason = new Error('enough')
    const given = await new Promise((resolve) => {
      slocket('lock', { engine: memory(), signal: AbortSignal.abort(reason) }, resolve)
    })
    assert.equal(given, reason)
  })

  test('gets an error that the engine throws synchronously', async () => {
    const failure = new Error('no engine today')
    const acquire = (): never => {
      throw failure
    }
    const given = await new Promise((resolve) => {
      slocket('lock', { engine: { ...memory(), acquire } }, resolve)
    })
    assert.equal(given, failure)
  })

  for (const [name, options] of [
    ['with the lock', '{}'],
    ['with an error', "{ signal: AbortSignal.abort(new Error('aborted')) }"],
  ] as const) {
    test(`an exception from the callback when called ${name} is uncaught, and the callback is not called again`, async () => {
      const { stdout, stderr, code } = await runChild(
        `process.on('uncaughtException', (error, origin) => console.log(origin, error.message))
         process.on('unhandledRejection', () => console.log('unhandledRejection'))
         slocket(lockPath, ${options}, (error, lock) => {
           console.log('called')
           lock?.release()
           throw new Error('mine')
         })`,
        lockPath,
      )
      assert.equal(stderr, '')
      assert.equal(stdout, 'called\nuncaughtException mine\n')
      assert.equal(code, 0)
    })
  }

  test('an exception from the callback ends a process without a handler', async () => {
    const { stdout, stderr, code } = await runChild(
      `slocket(lockPath, () => { console.log('called'); throw new Error('mine') })`,
      lockPath,
    )
    assert.equal(stdout, 'called\n')
    assert.match(stderr, /Error: mine/)
    assert.doesNotMatch(stderr, /unhandledRejection|ERR_UNHANDLED_REJECTION/)
    assert.equal(code, 1)
  })

  test('a rejection of an async callback is unhandled, and the callback is not called again', async () => {
    const { stdout } = await runChild(
      `process.on('unhandledRejection', (error) => console.log('unhandledRejection', error.message))
       slocket(lockPath, async (error, lock) => { console.log('called'); await lock.release(); throw new Error('mine') })`,
      lockPath,
    )
    assert.equal(stdout, 'called\nunhandledRejection mine\n')
  })

  test('a lock that its callback ignores does not keep the process alive', async () => {
    const { stdout, stderr, code } = await runChild(`slocket(lockPath, () => console.log('called'))`, lockPath)
    assert.deepEqual([stdout, stderr, code], ['called\n', '', 0])
  })
})

async function turns(): Promise<void> {
  for (let count = 0; count < 5; count += 1) await new Promise<void>((resolve) => setImmediate(resolve))
}
