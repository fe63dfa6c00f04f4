import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import type * as errors from '../../src/errors.ts'
import type { Engine } from '../../src/index.ts'
import { isSlocketError, local, memory, slocket, SlocketError } from '../../src/index.ts'
import { makeParent, runChild } from './run-child.ts'
import { IN_USE } from '../helpers/windows.ts'

describe('errors', () => {
  const { lockPath, dispose } = makeParent()
  after(dispose)

  test('isSlocketError recognizes an error of this package, and its code', () => {
    const error = new SlocketError('ERR_SLOCKET_TIMEOUT', 'late', { cause: 'because' })
    assert.equal(isSlocketError(error), true)
    assert.equal(isSlocketError(error, 'ERR_SLOCKET_TIMEOUT'), true)
    assert.equal(isSlocketError(error, 'ERR_SLOCKET_LOST'), false)
    assert.equal(error.name, 'SlocketError')
    assert.equal(error.cause, 'because')
    assert.ok(error instanceof Error)
    assert.match(String(error.stack), /SlocketError/)
  })

  test('isSlocketError rejects everything else', () => {
    const lookalike = Object.assign(new Error('late'), { name: 'SlocketError', code: 'ERR_SLOCKET_TIMEOUT' })
    for (const other of [undefined, null, 0, '', 'ERR_SLOCKET_TIMEOUT', {}, [], new Error('x'), lookalike]) {
      assert.equal(isSlocketError(other), false)
      assert.equal(isSlocketError(other, 'ERR_SLOCKET_TIMEOUT'), false)
    }
  })

  test('isSlocketError recognizes an error of another loaded copy of the package', async () => {
    const url = new URL('../../src/errors.js', import.meta.url)
    const other = (await import(`${url.href}?another-copy`)) as typeof errors
    assert.notEqual(other.SlocketError, SlocketError)
    const error = new other.SlocketError('ERR_SLOCKET_LOST', 'lost')
    assert.equal(error instanceof SlocketError, false)
    assert.equal(isSlocketError(error, 'ERR_SLOCKET_LOST'), true)
  })

  test('a timeout error says which lock, how long the wait was, who holds it since when, and how many wait ahead', async () => {
    const engine = local()
    const held = await slocket(lockPath, { engine, label: 'the build' })
    const waiting = slocket(lockPath, { engine: local() })
    const { stdout, stderr } = await runChild(
      `while ((await slocket.query(lockPath)).pending.length === 0) ;
       await slocket(lockPath, { timeout: 2000 }).catch((error) => console.log(isSlocketError(error, 'ERR_SLOCKET_TIMEOUT'), error.message))`,
      lockPath,
    )
    assert.equal(stderr, '')
    assert.ok(stdout.includes(`true the lock '${lockPath}' was not free within 2000 ms`), stdout)
    assert.ok(stdout.includes(`held by pid ${process.pid} (`), stdout)
    assert.ok(stdout.includes(process.argv[1]!), stdout)
    assert.match(stdout, /'the build'\) for \d+\.\d s; 1 waiting ahead\n$/)
    await held.release()
    await (await waiting).release()
  })

  test('a timeout error says if the holder is in the same process', async () => {
    const options = { engine: memory(), label: 'me' }
    const held = await slocket('lock', options)
    await assert.rejects(slocket('lock', { ...options, timeout: 0 }), (error: Error) => {
      const pattern = new RegExp(
        `held by pid ${process.pid} \\(this process, 'me'\\) for \\d+\\.\\d s; 0 waiting ahead`,
      )
      assert.match(error.message, pattern)
      return true
    })
    await held.release()
  })

  test('a timeout error names three of many holders, and counts the others', async () => {
    const options = { engine: memory(), mode: 'shared' } as const
    const held = await Promise.all(Array.from({ length: 5 }, () => slocket('lock', options)))
    await assert.rejects(
      slocket('lock', { engine: options.engine, timeout: 0 }),
      /held by (pid [^,]*, ){3}2 more; 0 waiting ahead$/,
    )
    for (const lock of held) await lock.release()
  })

  test('a timeout error says if the holder cannot be found out', async () => {
    const engine: Engine = {
      ...memory(),
      acquire: () => Promise.resolve(null),
      query: () => Promise.reject(new Error('no answer')),
    }
    await assert.rejects(slocket('lock', { engine, timeout: 0 }), /could not be determined: Error: no answer/)
  })

  test('a timeout does not wait for holders that do not answer', async () => {
    const engine: Engine = { ...memory(), acquire: () => Promise.resolve(null), query: () => new Promise(() => {}) }
    await assert.rejects(slocket('lock', { engine, timeout: 0 }), /could not be determined: Error: no answer in time/)
  })

  test('a relative path has no parent if the working directory was removed', { skip: IN_USE }, async () => {
    const { stdout, stderr } = await runChild(
      `const fs = await import('node:fs')
       const directory = fs.mkdtempSync(lockPath)
       process.chdir(directory)
       fs.rmdirSync(directory)
       for (const call of [slocket, slocket.try, slocket.query]) {
         await call('relative').catch((error) => console.log(isSlocketError(error) && error.code))
       }`,
      lockPath,
    )
    assert.deepEqual([stdout, stderr], ['ERR_SLOCKET_NO_PARENT\n'.repeat(3), ''])
  })

  test('an error rejects only the returned promise', async () => {
    const { stdout, stderr, code } = await runChild(
      `process.on('unhandledRejection', (error) => console.log('unhandled', error))
       const held = await slocket(lockPath)
       const other = local()
       const controller = new AbortController()
       const rejecting = []
       for (const engine of [undefined, other]) {
         for (const options of [{ timeout: 0 }, { timeout: 10 }, { signal: controller.signal }, { permits: 2 }, { timeout: 10_000, signal: controller.signal }, { signal: AbortSignal.abort() }, { mode: 'wrong' }]) {
           rejecting.push(slocket(lockPath, { engine, ...options }), slocket.with(lockPath, { engine, ...options }, () => {}))
         }
         rejecting.push(slocket.try(lockPath, { engine, permits: 2 }))
       }
       rejecting.push(slocket(''), slocket.try(''), slocket.with('', () => {}), slocket.query(''))
       setTimeout(() => controller.abort(), 20)
       const outcomes = await Promise.allSettled(rejecting)
       console.log(outcomes.filter(({ status }) => status !== 'rejected').length, 'not rejected')
       await held.release()`,
      lockPath,
    )
    assert.deepEqual([stdout, stderr, code], ['0 not rejected\n', '', 0])
  })
})
