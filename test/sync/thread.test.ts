/** The second thread of `slocket.sync`: when it is started, what it takes of its process, and what goes wrong with it. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { Lock } from '../../src/index.ts'
import slocket from '../../src/index.ts'
import { makeParent } from '../api/run-child.ts'
import { assertBroken, importing, runProgram, SRC, TRY } from './thread-program.ts'

let lockPath: string
let dispose: () => void
beforeEach(() => ({ lockPath, dispose } = makeParent()))
afterEach(() => dispose())

describe('the waiting thread', () => {
  let busy: Lock
  // A lock that is not free needs the thread, also if it can be shared at once.
  beforeEach(async () => void (busy = await slocket(lockPath, { mode: 'shared', linger: 0 })))
  afterEach(() => busy.release())

  test('is neither loaded nor started by an import, nor by a free lock', () => {
    const code = `
      // From Node 22 on, it is node:util that loads it.
      await import('node:util')
      const isLoaded = () => process.moduleLoadList.includes('NativeModule worker_threads')
      const before = isLoaded()
      const { default: slocket } = await import(${JSON.stringify(pathToFileURL(path.join(SRC, 'index.js')))})
      const after = isLoaded()
      const free = slocket.sync(process.argv.at(-1) + '-free')
      const held = free.held
      free.release()
      const afterFree = isLoaded()
      slocket.sync(process.argv.at(-1), { mode: 'shared' }).release()
      console.log(before === after, held, before === afterFree, isLoaded())`
    const { stdout } = runProgram(code, lockPath)
    assert.equal(stdout, 'true true true true\n')
  })

  test("inherits nothing of its process's options: preloaded modules, profilers, kinds of input", () => {
    const preloaded = `${lockPath}-preloaded.cjs`
    fs.writeFileSync(preloaded, `require('node:fs').writeSync(1, 'preloaded\\n')`)
    const parameters = ['--cpu-prof', `--cpu-prof-dir=${lockPath}-profiles`]
    const { stdout } = runProgram(importing(TRY), lockPath, {
      parameters,
      env: { NODE_OPTIONS: `--require=${preloaded}` },
    })
    assert.equal(stdout, 'preloaded\nok\n')
    assert.equal(fs.readdirSync(`${lockPath}-profiles`).length, 1)
  })

  test('lets exit listeners release, whenever they were added', () => {
    const code = importing(`
      const lockPath = process.argv.at(-1)
      process.on('exit', () => first.release())
      const first = slocket.sync(lockPath + '-1')
      const busy = slocket.sync(lockPath, { mode: 'shared' })
      const second = slocket.sync(lockPath + '-2')
      process.on('exit', () => second.release())
      process.on('exit', () => busy.release())
      process.on('exit', () => slocket.sync(lockPath + '-3').release())`)
    const { stdout, status } = runProgram(code, lockPath)
    assert.deepEqual([stdout, status], ['', 0])
    assert.deepEqual(fs.readdirSync(path.dirname(lockPath)), ['lock'])
  })

  test('works if it is started at the last moment', () => {
    const free = `slocket.sync(process.argv.at(-1) + '-free').release()`
    const { stdout } = runProgram(importing(`process.on('exit', () => {${TRY}\n${free}})`), lockPath)
    assert.equal(stdout, 'ok\n')
    assert.deepEqual(fs.readdirSync(path.dirname(lockPath)), ['lock'])
  })

  test('that the permission model forbids is an error that says what to allow', () => {
    const flag = process.allowedNodeEnvironmentFlags.has('--permission') ? '--permission' : '--experimental-permission'
    const { stdout } = runProgram(importing(TRY), lockPath, {
      parameters: [flag, '--allow-fs-read=*', '--allow-fs-write=*'],
    })
    assert.match(stdout, /^ERR_SLOCKET_NO_THREAD .*--allow-worker/)
  })

  test('whose module was left out is an error, not an endless wait', () => {
    assertBroken(undefined, /Cannot find module/, lockPath)
  })

  test('that ends right after its start is an error, not an endless wait', () => {
    assertBroken('export function serve() { process.exit(1) }', /./, lockPath)
  })
})
