import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { after, before, describe, test } from 'node:test'
import * as source from '../../src/index.ts'
import { compile, installPackage, ROOT, run, runTool } from './install.ts'
import type { Installation } from './install.ts'

const NAMES = Object.keys(source).filter((name) => name !== 'default')
/** Files of code that have a source map. */
const BUNDLES = [
  'cli/commands',
  'cli/engine',
  'cli/main',
  'cli/wait-line',
  'compat/lockfile',
  'compat/proper-lockfile',
  'compat/redlock',
  'core',
  'engines/etcd/index',
  'engines/local/names/index',
  'engines/local/windows/index',
  'engines/memory/index',
  'engines/postgres/index',
  'engines/redis/index',
  'sync/acquire-sync',
  'testing/index',
  'web-locks/client',
  'work',
]
const WRAPPERS = [
  'compat/lockfile',
  'compat/proper-lockfile',
  'compat/redlock',
  'engines/etcd/index',
  'engines/postgres/index',
  'engines/redis/index',
  'index',
  'testing/index',
].map((entry) => `dist/${entry}.mjs`)

describe('the packed package', () => {
  let installed: Installation

  before(async () => {
    installed = await installPackage()
  })
  after(() => installed.remove())

  test('contains the exports and the command as bundles with source maps, wrappers for import, the code of the thread, declarations, the manual page, package.json, README.md and LICENSE, and nothing else', async () => {
    const sources = (await readdir(join(ROOT, 'src'), { recursive: true })).filter((path) => path.endsWith('.ts'))
    const declarable = new Set(sources.map((path) => path.split(sep).join('/').slice(0, -'.ts'.length)))
    const isDeclaration = (file: string): boolean => /\.d\.[cm]ts$/.test(file)
    const declarations = installed.files.filter(isDeclaration)
    for (const wrapper of WRAPPERS) {
      const entry = wrapper.slice(0, -'.mjs'.length)
      assert.ok(declarations.includes(`${entry}.d.cts`), entry)
      assert.ok(declarations.includes(`${entry}.d.mts`), entry)
    }
    for (const file of declarations) {
      assert.ok(declarable.has(file.slice('dist/'.length).replace(/(\.exports)?\.d\.[cm]ts$/, '')), file)
    }
    assert.deepEqual(
      installed.files.filter((file) => !isDeclaration(file)),
      [
        'LICENSE',
        'README.md',
        'dist/index.cjs',
        'dist/sync/thread-program.cjs',
        'dist/sync/thread-program-windows.cjs',
        'man/slocket.1',
        'package.json',
      ]
        .concat(WRAPPERS)
        .concat(BUNDLES.flatMap((entry) => [`dist/${entry}.cjs`, `dist/${entry}.cjs.map`]))
        .sort(),
    )
  })

  test('needs no other package', async () => {
    const installedNames = await readdir(join(installed.project, 'node_modules'))
    assert.deepEqual(installedNames.sort(), ['.bin', '.package-lock.json', 'slocket'])
  })

  for (const [kind, engine, advice] of [
    ['etcd', "etcd({ endpoints: '127.0.0.1:1' })", 'npm install @grpc/grpc-js @grpc/proto-loader'],
    ['postgres', "postgres({ host: '127.0.0.1', port: 1 })", 'npm install pg'],
    ['redis', "redis({ url: 'redis://127.0.0.1:1' })", 'npm install redis'],
  ] as const) {
    test(`includes the engine of ${kind}, whose first lock says what to install`, async () => {
      const error = await execute(
        `${kind}.mjs`,
        `import { slocket } from 'slocket'
         import { ${kind} } from 'slocket/${kind}'
         const error = await slocket('lock', { engine: ${engine} }).catch((reason) => reason)
         console.log(JSON.stringify([error.code, error.message.includes('${advice}')]))`,
      )
      assert.deepEqual(error, ['ERR_SLOCKET_NO_CLIENT', true])
    })
  }

  test('import loads nothing that only a first lock needs', async () => {
    const loaded = await execute(
      'loads.mjs',
      // Some versions of Node load them for one of those that are light otherwise.
      `for (const name of ['diagnostics_channel', 'fs', 'os', 'path', 'timers', 'util']) await import('node:' + name)
       const before = new Set(process.moduleLoadList)
       await import('slocket')
       const loaded = process.moduleLoadList.filter((name) => !before.has(name))
       console.log(JSON.stringify(loaded.filter((name) => /^NativeModule (net|crypto)$/.test(name))))`,
    )
    assert.deepEqual(loaded, [])
  })

  test('a first lock does not load node:crypto, which takes longer than the lock', async () => {
    const loaded = await execute(
      'first-lock.cjs',
      `const slocket = require('slocket')
       slocket.sync('first.lock').release()
       slocket('first.lock').then((lock) => lock.release()).then(() => {
         console.log(JSON.stringify(process.moduleLoadList.filter((name) => name === 'NativeModule crypto')))
       })`,
    )
    assert.deepEqual(loaded, [])
  })

  test('require loads two files, and the code of the thread only if slocket.sync finds a held lock', async () => {
    const loaded = await execute(
      'files.cjs',
      `const files = () => Object.keys(require.cache).map((file) => require('node:path').relative(__dirname, file)).sort()
       const slocket = require('slocket')
       const before = files()
       const more = () => files().filter((file) => !before.includes(file))
       const free = slocket.sync('files.lock', { mode: 'shared', linger: 0 })
       const afterFree = more()
       slocket.sync('files.lock', { mode: 'shared', timeout: 60_000 }).release()
       free.release()
       console.log(JSON.stringify([before, afterFree, more()]))`,
    )
    const dist = 'node_modules/slocket/dist'
    assert.deepEqual(loaded, [
      ['files.cjs', `${dist}/core.cjs`, `${dist}/index.cjs`],
      [`${dist}/sync/acquire-sync.cjs`, `${dist}/work.cjs`],
      [`${dist}/sync/acquire-sync.cjs`, `${dist}/sync/thread-program.cjs`, `${dist}/work.cjs`],
    ])
  })

  test('import returns the function, and all other names', async () => {
    const keys = await execute(
      'names.mjs',
      `import theDefault, { ${NAMES.join(', ')} } from 'slocket'
       import * as namespace from 'slocket'
       import * as testing from 'slocket/testing'
       if (typeof slocket !== 'function' || slocket !== theDefault) throw new Error('not the function')
       if (typeof testing !== 'object') throw new Error('no slocket/testing')
       console.log(JSON.stringify(Object.keys(namespace)))`,
    )
    assert.deepEqual(keys.sort(), Object.keys(source).sort())
  })

  test('require returns the function itself, with all other names as its properties', async () => {
    const same = await execute(
      'names.cjs',
      `const slocket = require('slocket')
       const { SlocketError } = require('slocket')
       if (typeof slocket !== 'function' || typeof SlocketError !== 'function') throw new Error('not the function')
       if (typeof require('slocket/testing') !== 'object') throw new Error('no slocket/testing')
       import('slocket').then((namespace) => {
         if (namespace.default !== slocket || slocket.default !== slocket) throw new Error('two functions')
         const names = Object.keys(namespace).filter((name) => slocket[name] === namespace[name])
         console.log(JSON.stringify(names))
       })`,
    )
    assert.deepEqual(same.sort(), [...NAMES, 'default'].sort())
  })

  test('the command works, and has its manual page', async () => {
    const command = join(installed.project, 'node_modules/.bin/slocket')
    assert.match(await run(command, ['--version'], installed.project), /^slocket \d/)
    assert.equal(await run(command, ['run', 'lock', '--', 'echo', 'mine'], installed.project), 'mine\n')
    await run(process.execPath, [join(ROOT, 'scripts/man.js'), '--check'], ROOT)
  })

  test('messages of a supervisor that come before the command has started reach the command', async () => {
    await writeFile(
      join(installed.project, 'supervised.cjs'),
      "process.on('message', (message) => process.send([message, 'back'], () => process.exit()))",
    )
    const heard = await execute(
      'supervisor.cjs',
      `const child = require('node:child_process').spawn(
         'node_modules/.bin/slocket', ['run', 'supervised.lock', '--', process.execPath, 'supervised.cjs'],
         { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
       child.send('early')
       child.on('message', (message) => console.log(JSON.stringify(message)))`,
    )
    assert.deepEqual(heard, ['early', 'back'])
  })

  test('slocket.sync works, and leaves nothing behind', async () => {
    const said = await execute(
      'sync.cjs',
      `const slocket = require('slocket')
       const lock = slocket.sync('sync.lock')
       console.log(JSON.stringify([lock.name, require('node:fs').existsSync('sync.lock')]))
       lock.release()`,
    )
    assert.deepEqual(said, ['sync.lock', true])
    assert.ok(!(await readdir(installed.project)).includes('sync.lock'))
  })

  test('its types work for import and require', async () => {
    await writeFile(
      join(installed.project, 'esm.mts'),
      `import slocket, { isSlocketError, Lock, SlocketError } from 'slocket'
       import type { LockSnapshot, SlocketOptions } from 'slocket'
       import 'slocket/testing'
       const options: SlocketOptions = { timeout: 60_000 }
       const lock: Lock = await slocket('esm.lock', options)
       const second: Lock | null = await slocket.try('esm.lock')
       const snapshot: LockSnapshot = await slocket.query('esm.lock')
       await lock.release()
       const error: unknown = new SlocketError('ERR_SLOCKET_TIMEOUT', 'late')
       if (isSlocketError(error)) console.log(JSON.stringify([error.code, second, snapshot.held.length]))
       // @ts-expect-error: no such option
       export const wrong: SlocketOptions = { retries: 1 }`,
    )
    await writeFile(
      join(installed.project, 'cjs.cts'),
      `import slocket = require('slocket')
       import { isSlocketError } from 'slocket'
       import type { Lock } from 'slocket'
       async function main(): Promise<void> {
         const lock: Lock = await slocket('cjs.lock')
         const second: Lock | null = await slocket.try('cjs.lock')
         await lock.release()
         const error = new slocket.SlocketError('ERR_SLOCKET_TIMEOUT', 'late')
         if (isSlocketError(error)) console.log(JSON.stringify([error.code, second, lock.held]))
       }
       void main()
       // @ts-expect-error: a path is needed
       export const wrong = () => slocket()`,
    )
    await compile(installed.project, ['esm.mts', 'cjs.cts'])
    assert.deepEqual(await printed('esm.mjs'), ['ERR_SLOCKET_TIMEOUT', null, 1])
    assert.deepEqual(await printed('cjs.cjs'), ['ERR_SLOCKET_TIMEOUT', null, false])
  })

  test('an option that has no meaning for a call is a compile error, as in the sources', async () => {
    const sources = await readFile(join(ROOT, 'test/types/options.ts'), 'utf8')
    const code = sources.replaceAll(/'\.\.\/\.\.\/src\/(.*)\.ts'/g, (_, module: string) => {
      const subpath = module.replace(/^(engines|compat)\//, '').replace(/(^|\/)index$/, '')
      return `'slocket${subpath === '' ? '' : `/${subpath}`}'`
    })
    assert.doesNotMatch(code, /src\//)
    await writeFile(join(installed.project, 'options.mts'), code)
    await compile(installed.project, ['options.mts'], { noEmit: true })
  })

  test("code for the Web Locks of browsers compiles and runs with slocket's locks", async () => {
    await writeFile(
      join(installed.project, 'browser.mts'),
      `import { LockManager as Manager, locks, memory } from 'slocket'
       import type { LockInfo as Info, LockManagerSnapshot as Snapshot, LockOptions as Options } from 'slocket'
       // As written for browsers, with the types of lib.dom.
       async function sum(locks: LockManager, add: () => Promise<number>): Promise<number> {
         const callback: LockGrantedCallback<Promise<number>> = async (lock: Lock | null) => {
           const mode: LockMode | undefined = lock?.mode
           return mode === 'exclusive' && lock?.name === 'sum' ? await add() : 0
         }
         const options: LockOptions = { mode: 'exclusive', signal: new AbortController().signal }
         const result: number = await locks.request('sum', options, callback)
         const { held = [] }: LockManagerSnapshot = await locks.query()
         return result + held.filter((info: LockInfo) => info.clientId === undefined).length
       }
       const manager: LockManager = new Manager({ engine: memory() })
       const fits: (LockManager | Navigator['locks'])[] = [locks, manager]
       const constructors: (typeof LockManager)[] = [Manager]
       // And with the types of the package.
       const options: Options = { ifAvailable: true }
       const text: string = await new Manager({ engine: memory() }).request('text', options, (lock) => lock?.name ?? 'null')
       const { held }: Snapshot = await new Manager({ engine: memory() }).query()
       const infos: Info[] = held
       // @ts-expect-error: no such mode
       export const wrong = () => locks.request('name', { mode: 'both' }, () => {})
       // @ts-expect-error: no callback
       export const without = () => locks.request('name')
       console.log(JSON.stringify([await sum(manager, async () => 3), text, infos.length, fits.length, constructors.length]))`,
    )
    await compile(installed.project, ['browser.mts'])
    assert.deepEqual(await printed('browser.mjs'), [3, 'text', 0, 2, 1])
  })

  test('publint reports nothing', async () => {
    await runTool('publint', ['run', installed.tarball, '--strict'], installed.project)
  })

  test('attw reports nothing', async () => {
    await runTool('attw', [installed.tarball], installed.project)
  })

  async function execute(file: string, code: string): Promise<string[]> {
    await writeFile(join(installed.project, file), code)
    return (await printed(file)) as string[]
  }

  async function printed(file: string): Promise<unknown> {
    return JSON.parse(await run(process.execPath, [file], installed.project))
  }
})
