/** `slocket.sync` in this process: arguments, what it refuses, what needs no other thread, and how that one is started. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { Lock } from '../../src/index.ts'
import slocket, { isSlocketError, local, memory } from '../../src/index.ts'
import type { SlocketErrorCode, SyncOptions } from '../../src/index.ts'
import { makeParent } from '../api/run-child.ts'
import { untilWaiting } from '../helpers/lock-directory.ts'
import { scenario } from '../helpers/scenario.ts'
import { exceptOnWindows, NO_LINKS } from '../helpers/windows.ts'

const SRC = fileURLToPath(new URL('../../src', import.meta.url))

let lockPath: string
let dispose: () => void
beforeEach(() => ({ lockPath, dispose } = makeParent()))
afterEach(() => dispose())

function fails(code: SlocketErrorCode, options?: SyncOptions, name: string = lockPath): void {
  assert.throws(
    () => slocket.sync(name, options),
    (error) => isSlocketError(error, code),
  )
}

describe('slocket.sync', () => {
  test('gives a lock with all that a lock tells, and is released when release returns', async () => {
    const lock = slocket.sync(lockPath, { label: 'mine', linger: 0 })
    assert.deepEqual(
      [lock.name, lock.mode, lock.permits, lock.take, lock.recovered, lock.held, typeof lock.token],
      [lockPath, 'exclusive', undefined, undefined, false, true, 'bigint'],
    )
    const { held } = await slocket.query(lockPath)
    assert.deepEqual([held[0]!.label, held[0]!.pid, held[0]!.self], ['mine', process.pid, true])
    const inThread =
      'const { workerData, parentPort } = require("node:worker_threads");' +
      'import(workerData[0]).then(async ({ slocket }) => parentPort.postMessage((await slocket.query(workerData[1])).held))'
    const worker = new Worker(inThread, {
      eval: true,
      workerData: [pathToFileURL(path.join(SRC, 'index.js')).href, lockPath],
    })
    const [seen] = (await once(worker, 'message')) as [typeof held]
    assert.deepEqual([seen[0]!.pid, seen[0]!.self], [process.pid, false])
    assert.equal(held[0]!.command, process.argv.join(' ').slice(0, 1000))
    lock.release()
    lock.release()
    assert.equal(lock.held, false)
    assert.equal(lock.signal.aborted, false)
    assert.equal(fs.existsSync(lockPath), false)
  })

  test('using releases at the end of the block', async () => {
    {
      using lock = slocket.sync(lockPath)
      assert.equal(lock.held, true)
      assert.equal(await slocket.try(lockPath), null)
    }
    await (await slocket.try(lockPath))!.release()
  })

  test('tokens grow from holder to holder, blocked or not', async () => {
    const tokens: bigint[] = []
    for (let round = 0; round < 3; round += 1) {
      const blocked = slocket.sync(lockPath)
      blocked.release()
      const other = await slocket(lockPath)
      await other.release()
      tokens.push(blocked.token, other.token)
    }
    assert.deepEqual(
      tokens,
      tokens.toSorted((a, b) => (a < b ? -1 : 1)),
    )
  })

  test('a relative path counts from the working directory at the time of the call', () => {
    const before = process.cwd()
    try {
      process.chdir(path.dirname(lockPath))
      const lock = slocket.sync('lock')
      assert.equal(fs.existsSync(lockPath), true)
      lock.release()
    } finally {
      process.chdir(before)
    }
  })

  test('wrong arguments are TypeErrors and RangeErrors, also those that mean nothing to who blocks', () => {
    const wrong: readonly (readonly [unknown, unknown])[] = [
      [1, {}],
      ['', {}],
      [lockPath, null],
      [lockPath, { mode: 'none' }],
      [lockPath, { signal: new AbortController().signal }],
      [lockPath, { engine: memory() }],
      [lockPath, { label: 1 }],
    ]
    for (const [name, options] of wrong) {
      assert.throws(() => slocket.sync(name as string, options as SyncOptions), TypeError)
    }
    assert.throws(() => slocket.sync(lockPath, { timeout: -1 }), RangeError)
    assert.equal(fs.existsSync(lockPath), false)
  })

  test('errors are those of slocket, with their causes', () => {
    assert.throws(
      () => slocket.sync(path.join(lockPath, 'none', 'lock')),
      (error) =>
        isSlocketError(error, 'ERR_SLOCKET_NO_PARENT') && (error.cause as NodeJS.ErrnoException).code === 'ENOENT',
    )
    fs.mkdirSync(lockPath)
    fs.writeFileSync(path.join(lockPath, 'file'), '')
    fails('ERR_SLOCKET_NOT_A_LOCK')
  })
})

describe('a thread that has the lock itself', () => {
  test('by sync, is told so, however it names the lock, and goes on holding', () => {
    const link = NO_LINKS ? path.dirname(lockPath) : `${lockPath}-link`
    if (!NO_LINKS) fs.symlinkSync(path.dirname(lockPath), link)
    const lock = slocket.sync(lockPath)
    fails('ERR_SLOCKET_DEADLOCK')
    fails('ERR_SLOCKET_DEADLOCK', { timeout: 60_000 })
    fails('ERR_SLOCKET_DEADLOCK', { mode: 'shared' }, path.join(link, 'lock'))
    fails('ERR_SLOCKET_TIMEOUT', { timeout: 0 })
    assert.equal(lock.held, true)
    lock.release()
    slocket.sync(lockPath).release()
  })

  test('by its event loop, held or waiting, is told so', async () => {
    const lock = await slocket(lockPath)
    fails('ERR_SLOCKET_DEADLOCK')
    const other = slocket(lockPath, { engine: local() })
    await untilWaiting(lockPath, 1)
    fails('ERR_SLOCKET_DEADLOCK', { mode: 'shared' })
    await lock.release()
    await (await other).release()
    slocket.sync(lockPath).release()
  })

  test('shared, may have it once more as long as nobody waits between', async () => {
    const lock = await slocket(lockPath, { mode: 'shared' })
    slocket.sync(lockPath, { mode: 'shared' }).release()
    const between = slocket(lockPath, { engine: local() })
    await untilWaiting(lockPath, 1)
    fails('ERR_SLOCKET_DEADLOCK', { mode: 'shared' })
    await lock.release()
    await (await between).release()
  })

  test('by all permits, is told so; by fewer, gets another', async () => {
    const lock = await slocket(lockPath, { permits: 2 })
    const second = slocket.sync(lockPath, { permits: 2 })
    fails('ERR_SLOCKET_DEADLOCK', { permits: 2 })
    fails('ERR_SLOCKET_DEADLOCK', { permits: 3, take: 2 })
    fails('ERR_SLOCKET_CLAIM_MISMATCH', { mode: 'shared' })
    const third = slocket.sync(lockPath, { permits: 4, take: 2 })
    assert.deepEqual([third.permits, third.take], [4, 2])
    third.release()
    // One that says a larger number waits behind it, and it waits for what this thread has.
    const waiting = slocket(lockPath, { permits: 2 })
    await untilWaiting(lockPath, 1)
    fails('ERR_SLOCKET_DEADLOCK', { permits: 9, timeout: 5000 })
    second.release()
    await lock.release()
    await (await waiting).release()
  })

  test(
    'that asked a moment ago, and is not yet in the queue, is no deadlock: sync comes first',
    { skip: exceptOnWindows('there it has joined the queue in the call itself') },
    async () => {
      const asked = slocket(lockPath)
      slocket.sync(lockPath).release()
      await (await asked).release()
    },
  )
})

scenario(
  'who shares by its event loop, with an exclusive one of another process behind, does not wait for ever',
  async (scene) => {
    const [client, other] = await scene.spawnAll('client', 'other')
    await client.acquire(scene.path, { mode: 'shared' })
    await other.enqueue(scene.path)
    client.send({ do: 'sync', path: scene.path, options: { mode: 'shared' }, as: 'again' })
    assert.equal((await client.next('rejected', 'again')).code, 'ERR_SLOCKET_DEADLOCK')
    await client.release()
    await other.next('granted')
  },
)

scenario('who shares, and asks with a timeout, gets it once the exclusive one between has given up', async (scene) => {
  const [client, other] = await scene.spawnAll('client', 'other')
  await client.acquire(scene.path, { mode: 'shared' })
  other.send({ do: 'acquire', path: scene.path, options: { timeout: 1000 } })
  await untilWaiting(scene.path, 1)
  client.send({ do: 'sync', path: scene.path, options: { mode: 'shared', timeout: 60_000 }, as: 'again' })
  assert.equal((await other.next('rejected')).code, 'ERR_SLOCKET_TIMEOUT')
  await client.next('granted', 'again')
  await other.enqueue(scene.path)
  client.send({ do: 'sync', path: scene.path, options: { mode: 'shared', timeout: 50 }, as: 'third' })
  assert.equal((await client.next('rejected', 'third')).code, 'ERR_SLOCKET_TIMEOUT')
})

describe('the thread that waits', () => {
  const TRY = `
    try { slocket.sync(process.argv.at(-1), { mode: 'shared' }).release(); console.log('ok') }
    catch (error) { console.log(error.code, error.message) }`
  let busy: Lock
  // A lock that is not free needs the thread, also if it can be shared at once.
  beforeEach(async () => void (busy = await slocket(lockPath, { mode: 'shared', linger: 0 })))
  afterEach(() => busy.release())

  test('is neither loaded nor started by an import, nor by a lock that is free', () => {
    const { stdout } = program(`
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
      console.log(before === after, held, before === afterFree, isLoaded())`)
    assert.equal(stdout, 'true true true true\n')
  })

  test('takes nothing of the options of its process: preloaded modules, profilers, kinds of input', () => {
    const preloaded = `${lockPath}-preloaded.cjs`
    fs.writeFileSync(preloaded, `require('node:fs').writeSync(1, 'preloaded\\n')`)
    const parameters = ['--cpu-prof', `--cpu-prof-dir=${lockPath}-profiles`]
    const { stdout } = program(importing(TRY), { parameters, env: { NODE_OPTIONS: `--require=${preloaded}` } })
    assert.equal(stdout, 'preloaded\nok\n')
    assert.equal(fs.readdirSync(`${lockPath}-profiles`).length, 1)
  })

  test('lets listeners for the exit release, whenever they came', () => {
    const { stdout, status } = program(
      importing(`
      const lockPath = process.argv.at(-1)
      process.on('exit', () => first.release())
      const first = slocket.sync(lockPath + '-1')
      const busy = slocket.sync(lockPath, { mode: 'shared' })
      const second = slocket.sync(lockPath + '-2')
      process.on('exit', () => second.release())
      process.on('exit', () => busy.release())
      process.on('exit', () => slocket.sync(lockPath + '-3').release())`),
    )
    assert.deepEqual([stdout, status], ['', 0])
    assert.deepEqual(fs.readdirSync(path.dirname(lockPath)), ['lock'])
  })

  test('works if it is asked for in the last moment', () => {
    const free = `slocket.sync(process.argv.at(-1) + '-free').release()`
    const { stdout } = program(importing(`process.on('exit', () => {${TRY}\n${free}})`))
    assert.equal(stdout, 'ok\n')
    assert.deepEqual(fs.readdirSync(path.dirname(lockPath)), ['lock'])
  })

  test('that the permission model forbids is an error that says what to allow', () => {
    const flag = process.allowedNodeEnvironmentFlags.has('--permission') ? '--permission' : '--experimental-permission'
    const { stdout } = program(importing(TRY), { parameters: [flag, '--allow-fs-read=*', '--allow-fs-write=*'] })
    assert.match(stdout, /^ERR_SLOCKET_NO_THREAD .*--allow-worker/)
  })

  const BROKEN: readonly (readonly [what: string, module: string | undefined, message: RegExp])[] = [
    ['whose module was left out', undefined, /Cannot find module/],
    ['whose module throws', `throw new Error('broken')`, /broken/],
    ['that throws when it has begun', `export function serve() { setTimeout(() => { throw new Error('late') }) }`, /./],
    ['that ends when it has begun', `export function serve() { process.exit(1) }`, /./],
    [
      'that runs out of memory, and so says nothing',
      `export function serve() {
         // Bit by bit: Node ends the thread, and not the process, only where little more is asked for than there is.
         let all
         setInterval(() => { for (let i = 0; i < 1e4; i += 1) all = { all } })
       }`,
      /ended/,
    ],
  ]

  for (const [what, module, message] of BROKEN) {
    test(`${what} is an error, and no wait for ever`, () => {
      const copy = `${lockPath}-copy`
      fs.cpSync(SRC, copy, { recursive: true, filter: (name) => !name.endsWith('.map') })
      fs.writeFileSync(path.join(path.dirname(copy), 'package.json'), '{ "type": "module" }')
      const thread = path.join(copy, 'sync/worker-thread.js')
      if (module === undefined) fs.rmSync(thread)
      else fs.writeFileSync(thread, module)
      const { stdout } = program(importing(TRY + TRY, path.join(copy, 'index.js')), {
        parameters: ['--max-old-space-size=50'],
      })
      const lines = stdout.trimEnd().split('\n')
      assert.equal(lines.length, 2, stdout)
      for (const line of lines) {
        assert.match(line, /^ERR_SLOCKET_NO_THREAD /)
        assert.match(line, message)
      }
    })
  }
})

function importing(body: string, index: string = path.join(SRC, 'index.js')): string {
  return `import slocket from ${JSON.stringify(pathToFileURL(index))}\n${body}`
}

interface ProgramOptions {
  readonly parameters?: readonly string[]
  readonly env?: Record<string, string>
}

/** Runs a program to its end; its last argument is the lock's path. */
function program(code: string, { parameters = [], env = {} }: ProgramOptions = {}): { stdout: string; status: number } {
  const all = [...parameters, '--input-type=module', '-e', code, lockPath]
  const { stdout, stderr, status } = spawnSync(process.execPath, all, {
    env: { ...process.env, NODE_OPTIONS: '', NODE_NO_WARNINGS: '1', ...env },
    encoding: 'utf8',
    timeout: 60_000,
  })
  assert.notEqual(status, null, `it did not end: ${stdout}${stderr}`)
  return { stdout, status: status! }
}
