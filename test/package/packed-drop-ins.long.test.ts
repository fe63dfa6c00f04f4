/** The drop-ins of the packed package: how they are imported and required, and their types. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { compile, installPackage, run } from './install.ts'
import type { Installation } from './install.ts'

describe('the drop-ins of the packed package', () => {
  let installed: Installation

  before(async () => {
    installed = await installPackage()
  })
  after(() => installed.remove())

  test('slocket/proper-lockfile can be imported and required in all the ways of proper-lockfile', async () => {
    const names = ['check', 'checkSync', 'lock', 'lockSync', 'unlock', 'unlockSync']
    const required = await execute(
      'lockfile.cjs',
      `const lockfile = require('slocket/proper-lockfile')
       const { ${names.join(', ')} } = require('slocket/proper-lockfile')
       if (lockfile !== lock) throw new Error('not the function')
       const release = lockfile.lockSync('lockfile.cjs')
       lockfile('lockfile.cjs').then(() => { throw new Error('two hold') }, (error) => {
         if (error.code !== 'ELOCKED') throw error
         release()
         console.log(JSON.stringify(Object.keys(lockfile)))
       })`,
    )
    assert.deepEqual(required.filter((name) => name !== 'default').sort(), names)
    const imported = await execute(
      'lockfile.mjs',
      `import lockfile, { ${names.join(', ')} } from 'slocket/proper-lockfile'
       import * as namespace from 'slocket/proper-lockfile'
       if (lockfile !== lock || lockfile.check !== check) throw new Error('not the function')
       await (await lockfile('lockfile.mjs', { retries: 2 }))()
       console.log(JSON.stringify(Object.keys(namespace)))`,
    )
    assert.deepEqual(imported.sort(), [...names, 'default'].sort())
  })

  test('the types of slocket/proper-lockfile accept calls written for proper-lockfile', async () => {
    await writeFile(
      join(installed.project, 'lockfile-types.mts'),
      `import lockfile, { check, checkSync, lock, lockSync, unlock, unlockSync } from 'slocket/proper-lockfile'
       import * as all from 'slocket/proper-lockfile'
       import type { CheckOptions, LockOptions, UnlockOptions } from 'slocket/proper-lockfile'
       import * as fs from 'node:fs'
       const retries = { retries: 5, factor: 3, minTimeout: 1000, maxTimeout: 60_000, randomize: true, forever: false, unref: true }
       const options: LockOptions = {
         stale: 5000, update: 1000, retries, realpath: false, fs, lockfilePath: 'some.lock',
         onCompromised: (error: Error) => console.error(error.message),
       }
       const unlockOptions: UnlockOptions = { realpath: false, fs: { ...fs }, lockfilePath: undefined }
       const checkOptions: CheckOptions = { stale: undefined, realpath: false }
       export async function main(): Promise<void> {
         const release: () => Promise<void> = await lock('file', options)
         const same: () => Promise<void> = await lockfile('file')
         await all.lock('file', { retries: [10, 20], onCompromised: undefined })
         await release()
         await same()
         const done: void = await unlock('file', unlockOptions)
         const isLocked: boolean = await check('file', checkOptions)
         const releaseSync: () => void = lockSync('file', options)
         releaseSync()
         unlockSync('file')
         const isStill: boolean = checkSync('file')
         console.log(done, isLocked, isStill, lockfile.lock, lockfile.checkSync)
       }
       // @ts-expect-error: no such option
       export const wrong: LockOptions = { timeout: 1 }`,
    )
    await writeFile(
      join(installed.project, 'lockfile-types.cts'),
      `import lockfile = require('slocket/proper-lockfile')
       import { lockSync } from 'slocket/proper-lockfile'
       export async function main(): Promise<void> {
         const release: () => Promise<void> = await lockfile('file')
         const other: () => Promise<void> = await lockfile.lock('file', { retries: 1 })
         lockSync('file')()
         await Promise.all([release(), other()])
       }`,
    )
    await compile(installed.project, ['lockfile-types.mts', 'lockfile-types.cts'])
  })

  test('slocket/lockfile can be imported and required in all the ways of lockfile, and its types accept existing calls', async () => {
    const names = ['check', 'checkSync', 'lock', 'lockSync', 'unlock', 'unlockSync']
    const required = await execute(
      'lockfile-door.cjs',
      `const lockFile = require('slocket/lockfile')
       const { ${names.join(', ')} } = require('slocket/lockfile')
       lockFile.lockSync('door.lock')
       lock('door.lock', (error) => {
         lockFile.unlock('door.lock', () => console.log(JSON.stringify([error.code, checkSync('door.lock'), ...Object.keys(lockFile)])))
       })`,
    )
    assert.deepEqual(required.slice(0, 2), ['EEXIST', false])
    assert.deepEqual(required.slice(2).sort(), [...names, 'filetime'].sort())
    const imported = await execute(
      'lockfile-door.mjs',
      `import lockFile, { ${names.join(', ')} } from 'slocket/lockfile'
       import * as namespace from 'slocket/lockfile'
       if (lockFile.check !== check) throw new Error('two of them')
       lockFile.lock('door.lock', { wait: 1000 }, (error) => {
         if (error) throw error
         unlockSync('door.lock')
         console.log(JSON.stringify(Object.keys(namespace)))
       })`,
    )
    assert.deepEqual(imported.sort(), [...names, 'default'].sort())
    await writeFile(
      join(installed.project, 'lockfile-door-types.mts'),
      `import lockFile, { check, checkSync, lock, lockSync, unlock, unlockSync } from 'slocket/lockfile'
       import * as all from 'slocket/lockfile'
       import type { CheckOptions, LockOptions, SyncLockOptions } from 'slocket/lockfile'
       const options: LockOptions = { wait: 1000, pollPeriod: 50, stale: 60_000, retries: 3, retryWait: 100 }
       const checkOptions: CheckOptions = { stale: 1000 }
       const syncOptions: SyncLockOptions = { retries: 3, stale: 1000 }
       lock('a', options, (error) => console.log(error?.message))
       lockFile.lock('a', (error) => console.log(error))
       all.unlock('a')
       unlock('a', (error) => console.log(error))
       check('a', checkOptions, (error, isLocked) => console.log(error, isLocked === true))
       check('a', (error: Error | null) => console.log(error))
       lockSync('a', syncOptions)
       unlockSync('a')
       const isLocked: boolean = checkSync('a', checkOptions)
       console.log(isLocked)
       // @ts-expect-error: no such option
       export const wrong: LockOptions = { timeout: 1 }`,
    )
    await writeFile(
      join(installed.project, 'lockfile-door-types.cts'),
      `import lockFile = require('slocket/lockfile')
       import { lockSync } from 'slocket/lockfile'
       const options: lockFile.LockOptions = { wait: 1 }
       lockFile.lock('a', options, () => lockFile.unlockSync('a'))
       lockSync('a')`,
    )
    await compile(installed.project, ['lockfile-door-types.mts', 'lockfile-door-types.cts'])
  })

  test('slocket/redlock can be imported and required in all the ways of redlock, and its types accept existing calls', async () => {
    const names = ['ExecutionError', 'Lock', 'Redlock', 'ResourceLockedError']
    const required = await execute(
      'redlock-door.cjs',
      `const { default: Redlock, ExecutionError, ResourceLockedError } = require('slocket/redlock')
       const { __esModule: isModule, ...rest } = require('slocket/redlock')
       try { new Redlock([]) } catch (error) { console.log(JSON.stringify([error.name, isModule, ...Object.keys(rest)])) }`,
    )
    assert.deepEqual(required.slice(0, 1), ['TypeError'])
    assert.deepEqual(required.slice(2).sort(), [...names, 'default'].sort())
    const imported = await execute(
      'redlock-door.mjs',
      `import theDefault, { ${names.join(', ')} } from 'slocket/redlock'
       import * as namespace from 'slocket/redlock'
       if (theDefault !== Redlock) throw new Error('two of them')
       console.log(JSON.stringify(Object.keys(namespace)))`,
    )
    assert.deepEqual(imported.sort(), [...names, 'default'].sort())
    const uses = `
       export async function main(client: RedisClient): Promise<void> {
         const redlock: Redlock = new Redlock([client], { retryCount: 0, driftFactor: 0.01 })
         redlock.on('error', (error) => console.log(error instanceof ResourceLockedError))
         let lock: Lock = await redlock.acquire(['a'], 5000)
         lock = await lock.extend(5000)
         await lock.release()
         const sum: number = await redlock.using(['a'], 5000, { retryCount: 1 }, async (signal: RedlockAbortSignal) => {
           if (signal.aborted) throw signal.error
           return 1
         })
         const error: unknown = new Error(String(sum))
         if (error instanceof ExecutionError) console.log((await error.attempts[0])?.quorumSize)
         // @ts-expect-error: no such setting
         const wrong: Partial<Settings> = { timeout: 1 }
         console.log(wrong)
       }`
    const imports = `import Redlock, { ExecutionError, Lock, ResourceLockedError } from 'slocket/redlock'
       import type { RedisClient, RedlockAbortSignal, Settings } from 'slocket/redlock'`
    await writeFile(join(installed.project, 'redlock-door-types.mts'), `${imports}${uses}`)
    await writeFile(
      join(installed.project, 'redlock-door-types.cts'),
      `import redlock = require('slocket/redlock')
       import type { RedisClient } from 'slocket/redlock'
       export class Own extends redlock.default {}
       export const make = (client: RedisClient): redlock.Redlock => new redlock.default([client])`,
    )
    await compile(installed.project, ['redlock-door-types.mts', 'redlock-door-types.cts'])
  })

  async function execute(file: string, code: string): Promise<string[]> {
    await writeFile(join(installed.project, file), code)
    return (await printed(file)) as string[]
  }

  async function printed(file: string): Promise<unknown> {
    return JSON.parse(await run(process.execPath, [file], installed.project))
  }
})
