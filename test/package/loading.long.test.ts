// What the packed package loads, and when: importing it is cheap, and the first call loads the rest.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { installPackage } from './install.ts'
import type { Installation } from './install.ts'

/** Each loads files by its first call. `tell` prints the code of an error, or `done`. */
const CALLS = {
  'slocket()': "slocket('a.lock', { linger: 0 }).then((lock) => lock.release()).then(tell, tell)",
  'slocket() with a callback':
    "slocket('b.lock', { linger: 0 }, (error, lock) => error ? tell(error) : lock.release().then(tell))",
  'slocket() with a callback and a subscriber':
    "require('node:diagnostics_channel').subscribe('slocket:grant', () => {}), slocket('j.lock', { linger: 0 }, (error, lock) => error ? tell(error) : lock.release().then(tell))",
  'slocket.try': "slocket.try('c.lock', { linger: 0 }).then((lock) => lock.release()).then(tell, tell)",
  'slocket.all': "slocket.all(['g.lock', 'h.lock'], { linger: 0 }).then((locks) => locks.release()).then(tell, tell)",
  'slocket.lead': "slocket.lead('i.lock', { linger: 0 }, () => {}).then(tell, tell)",
  'slocket.query': "slocket.query('d.lock').then(() => tell(), tell)",
  'slocket.break': "slocket.break('g.lock').then(() => tell(), tell)",
  lockPathFor: "try { slocket.lockPathFor('h'); tell() } catch (error) { tell(error) }",
  'slocket.sync': "try { slocket.sync('e.lock', { linger: 0 }).release(); tell() } catch (error) { tell(error) }",
  'memory()': 'try { slocket.memory(); tell() } catch (error) { tell(error) }',
  'new LockManager': "try { new slocket.LockManager({ root: 'root' }); tell() } catch (error) { tell(error) }",
  'locks.request': "slocket.locks.request('f', () => {}).then(tell, tell)",
} as const

describe('loading the package', () => {
  let installed: Installation
  let packaged: string

  before(async () => {
    installed = await installPackage()
    packaged = join(installed.project, 'node_modules/slocket/dist')
  })
  after(() => installed.remove())

  test('require loads two small files, and no module of Node that bare Node does not load', async () => {
    const { files, modules } = (await printed(
      'loaded.cjs',
      `// To find a package by its exports, Node loads modules of its own.
       require.resolve('slocket')
       const before = new Set(process.moduleLoadList)
       require('slocket')
       const modules = process.moduleLoadList.filter((name) => !before.has(name))
       const files = Object.keys(require.cache).filter((file) => file !== __filename)
       console.log(JSON.stringify({ files, modules }))`,
    )) as { files: string[]; modules: string[] }
    assert.deepEqual(files, [join(packaged, 'index.cjs'), join(packaged, 'core.cjs')])
    assert.deepEqual(modules, [])
    // Node takes 27 µs for each kB. What an import does not need belongs on the list FIRST_CALL of scripts/build-dist.js.
    const { size } = await stat(join(packaged, 'core.cjs'))
    assert.ok(size < 40_000, `core.cjs has ${size} bytes`)
  })

  for (const name of ['proper-lockfile', 'lockfile']) {
    test(`require of slocket/${name} loads only its own file beside them`, async () => {
      const files = await printed(
        `loaded-${name}.cjs`,
        `require('slocket/${name}')
         console.log(JSON.stringify(Object.keys(require.cache).filter((file) => file !== __filename)))`,
      )
      assert.deepEqual(files, [join(packaged, `compat/${name}.cjs`), join(packaged, 'core.cjs')])
    })
  }

  test('functions and classes have the names of their exports', async () => {
    const others = await printed(
      'names.cjs',
      `const slocket = require('slocket')
       const others = []
       for (const [name, value] of Object.entries(slocket)) {
         if (typeof value === 'function' && name !== 'default' && value.name !== name) others.push([name, value.name])
       }
       console.log(JSON.stringify([slocket.name, others]))`,
    )
    assert.deepEqual(others, ['slocket', []])
  })

  for (const [what, call] of Object.entries(CALLS)) {
    test(`if no file can be opened for the first call, ${what} says so, and the next call works`, async () => {
      const seen = await printed(
        'exhausted.cjs',
        `const { closeSync, openSync } = require('node:fs')
         const slocket = require('slocket')
         const call = (tell) => { ${call} }
         const open = []
         // Opened now: there will be no descriptor left for it.
         process.stdout.write('')
         try { for (;;) open.push(openSync('/dev/null')) } catch {}
         call((error) => {
           const first = [error?.code, /ulimit|too many open files/i.test(error?.message)]
           for (const descriptor of open) closeSync(descriptor)
           call((again) => console.log(JSON.stringify([...first, String(again)])))
         })`,
        ['sh', '-c', 'ulimit -n 60 && exec "$0" "$@"'],
      )
      assert.deepEqual(seen, ['ERR_SLOCKET_RESOURCES', true, 'undefined'])
    })

    test(`if another build was installed before the first call, ${what} fails`, async () => {
      const seen = await printed(
        'replaced.cjs',
        `const fs = require('node:fs')
         const slocket = require('slocket')
         const saved = new Map()
         for (const file of fs.readdirSync(${JSON.stringify(packaged)}, { recursive: true })) {
           if (!file.endsWith('.cjs') || file.endsWith('.d.cts')) continue
           const path = ${JSON.stringify(packaged)} + '/' + file
           const code = fs.readFileSync(path, 'utf8')
           const changed = code.replace(/(checkBuild\\(|exports\\.build = )'[0-9a-f]+'/, "$1'another'")
           if (changed !== code) saved.set(path, code), fs.writeFileSync(path, changed)
         }
         const tell = (error) => {
           for (const [path, code] of saved) fs.writeFileSync(path, code)
           console.log(JSON.stringify([error?.code, error?.message]))
         }
         ${call}`,
      )
      const [code, message] = seen as [string, string]
      assert.equal(code, 'ERR_SLOCKET_SYSTEM')
      assert.match(message, /replaced .* restart the process/)
    })
  }

  test('every file that is loaded later checks that it belongs to the same build as the first', async () => {
    const without: string[] = []
    for (const [file, code] of await codes()) {
      if (!/^(core\.checkBuild\('[0-9a-f]{12}'\)|exports\.build = '[0-9a-f]{12}')$/m.test(code)) without.push(file)
    }
    assert.deepEqual(without, ['dist/cli/main.cjs', 'dist/core.cjs', 'dist/index.cjs'])
  })

  test('a file that the core loads requires no other file of the package', async () => {
    const parts = (await codes()).filter(([, code]) => code.includes('\nexports.make = '))
    assert.deepEqual(parts.map(([file]) => file).sort(), [
      'dist/engines/local/names/index.cjs',
      'dist/engines/local/windows/index.cjs',
      'dist/engines/memory/index.cjs',
      'dist/sync/acquire-sync.cjs',
      'dist/sync/thread-program-windows.cjs',
      'dist/sync/thread-program.cjs',
      'dist/web-locks/client.cjs',
      'dist/work.cjs',
    ])
    for (const [file, code] of parts) assert.doesNotMatch(code, /require\(['"]\./, file)
  })

  for (const [what, call] of Object.entries(CALLS)) {
    test(`if require.cache was emptied before the first call, ${what} works, with the imported classes of locks and errors`, async () => {
      const seen = await printed(
        'emptied.cjs',
        `const slocket = require('slocket')
         const files = () => Object.keys(require.cache).filter((file) => file.endsWith('/core.cjs'))
         for (const file of Object.keys(require.cache)) delete require.cache[file]
         const call = (tell) => { ${call} }
         call(async (error) => {
           const lock = await slocket('kept.lock', { linger: 0 })
           await lock.release()
           const thrown = []
           await slocket('missing/a.lock').catch((reason) => thrown.push(reason))
           try { slocket.sync('missing/b.lock') } catch (reason) { thrown.push(reason) }
           const classes = [lock instanceof slocket.Lock, ...thrown.map((reason) => reason instanceof slocket.SlocketError)]
           console.log(JSON.stringify([String(error), classes, files()]))
         })`,
      )
      assert.deepEqual(seen, ['undefined', [true, true, true], []])
    })
  }

  for (const kind of ['sync', 'async'] as const) {
    test(`a hook of require that takes a lock (${kind}) while a file is loaded gets a SlocketError, and breaks no later call`, async () => {
      const take =
        kind === 'sync'
          ? "try { slocket.sync('hook.lock', { linger: 0 }).release() } catch (error) { note(error) }"
          : "slocket('hook.lock', { linger: 0 }).then((lock) => lock.release()).catch(note)"
      const seen = await printed(
        `hook-${kind}.cjs`,
        `const Module = require('node:module')
         const slocket = require('slocket')
         const load = Module._extensions['.js']
         const failed = []
         const note = (error) => failed.push([error instanceof slocket.SlocketError, error.code])
         Module._extensions['.cjs'] = (module, file) => {
           ${take}
           load(module, file)
         }
         const calls = {
           ${Object.entries(CALLS)
             .map(([what, call]) => `${JSON.stringify(what)}: (tell) => { ${call} }`)
             .join()}
         }
         const run = async () => {
           const results = []
           for (const call of Object.values(calls)) results.push(String(await new Promise(call)))
           return results
         }
         run().then(async () => {
           delete Module._extensions['.cjs']
           console.log(JSON.stringify([failed.length > 0, failed, await run()]))
         })`,
      )
      const [hasFailed, failed, later] = seen as [boolean, [boolean, string][], string[]]
      assert.ok(hasFailed)
      for (const failure of failed) assert.deepEqual(failure, [true, 'ERR_SLOCKET_SYSTEM'])
      assert.deepEqual(
        later,
        Object.values(CALLS).map(() => 'undefined'),
      )
    })
  }

  test('a file that is loaded by two nested calls is evaluated once', async () => {
    const seen = await printed(
      'nested.cjs',
      `const Module = require('node:module')
       const { load } = require(${JSON.stringify(join(packaged, 'core.cjs'))})
       const resolve = Module._resolveFilename
       let inner
       Module._resolveFilename = (...parameters) => {
         Module._resolveFilename = resolve
         inner = load.work()
         return resolve(...parameters)
       }
       console.log(JSON.stringify([load.work() === inner, typeof inner]))`,
    )
    assert.deepEqual(seen, [true, 'object'])
  })

  for (const [what, change, expected] of [
    [
      'of another build',
      "fs.writeFileSync(file, code.replace(/exports\\.build = '[0-9a-f]+'/, \"exports.build = 'another'\"))",
      /replaced .* restart the process/,
    ],
    ['missing', 'fs.rmSync(file)', /^cannot load a file of the slocket package.*thread-program\.cjs'$/],
  ] as const) {
    test(`if the program of the thread is ${what}, slocket.sync on a held lock fails like for any other file`, async () => {
      const seen = await printed(
        'thread.cjs',
        `const fs = require('node:fs')
         const slocket = require('slocket')
         const file = ${JSON.stringify(packaged)} + '/sync/thread-program.cjs'
         const code = fs.readFileSync(file, 'utf8')
         const first = slocket.sync('thread.lock', { mode: 'shared', linger: 0 })
         ${change}
         try {
           slocket.sync('thread.lock', { mode: 'shared', timeout: 60_000 }).release()
           console.log('[]')
         } catch (error) {
           console.log(JSON.stringify([error.code, error.message]))
         } finally {
           fs.writeFileSync(file, code)
           first.release()
         }`,
      )
      const [code, message] = seen as [string, string]
      assert.equal(code, 'ERR_SLOCKET_SYSTEM')
      assert.match(message, expected)
    })
  }

  test('if require returns nothing, as in Jest after the end of a test, the call fails with a SlocketError', async () => {
    const seen = await printed(
      'ended.cjs',
      `const Module = require('node:module')
       const slocket = require('slocket')
       const original = Module.prototype.require
       Module.prototype.require = () => undefined
       slocket('ended.lock').catch((error) => {
         Module.prototype.require = original
         console.log(JSON.stringify([error instanceof slocket.SlocketError, error.code]))
       })`,
    )
    assert.deepEqual(seen, [true, 'ERR_SLOCKET_SYSTEM'])
  })

  test('if files cannot be loaded, lock, lockSync, check and checkSync of slocket/proper-lockfile fail with the same error', async () => {
    const seen = await printed(
      'drop-in-exhausted.cjs',
      `const fs = require('node:fs')
       const lockfile = require('slocket/proper-lockfile')
       const { closeSync, openSync } = fs
       fs.mkdirSync('drop-in.lock', { recursive: true })
       const codes = []
       const attempt = async (call) => {
         const open = []
         try { for (;;) open.push(openSync('/dev/null')) } catch {}
         await (async () => call())().then(() => codes.push('none'), (error) => codes.push(error.code))
         for (const descriptor of open) closeSync(descriptor)
       }
       process.stdout.write('')
       const options = { realpath: false }
       const calls = ['lock', 'lockSync', 'check', 'checkSync'].map((name) => () => lockfile[name]('drop-in', options))
       calls.reduce((before, call) => before.then(() => attempt(call)), Promise.resolve()).then(() => {
         fs.rmdirSync('drop-in.lock')
         console.log(JSON.stringify(codes))
       })`,
      ['sh', '-c', 'ulimit -n 60 && exec "$0" "$@"'],
    )
    assert.deepEqual(seen, ['EMFILE', 'EMFILE', 'EMFILE', 'EMFILE'])
  })

  test('every file is in strict mode', async () => {
    for (const [file, code] of await codes()) assert.match(code, /^(#!.*\n)?['"]use strict['"];?\n/, file)
  })

  async function codes(): Promise<[file: string, code: string][]> {
    const files = installed.files.filter((file) => file.endsWith('.cjs'))
    return await Promise.all(
      files.map(async (file) => [file, await readFile(join(packaged, '..', file), 'utf8')] as [string, string]),
    )
  }

  async function printed(file: string, code: string, wrapper: readonly string[] = []): Promise<unknown> {
    await writeFile(join(installed.project, file), code)
    const [command, ...parameters] = [...wrapper, process.execPath, file]
    // The watchdog of the tests is not meant for it.
    const { NODE_OPTIONS: _, ...inherited } = process.env
    const env = { ...inherited, XDG_RUNTIME_DIR: installed.project }
    const cwd = installed.project
    const { stdout, stderr } = spawnSync(command, parameters, { cwd, env, encoding: 'utf8', timeout: 60_000 })
    assert.equal(stderr, '')
    return JSON.parse(stdout)
  }
})
