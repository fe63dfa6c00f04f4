// The shape of the packed package: one implementation for `require` and `import`, source maps, bundles, Node's permission model.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { installPackage, ROOT, runTool } from './install.ts'
import type { Installation } from './install.ts'

const SUBPATHS = ['', '/proper-lockfile', '/lockfile', '/etcd', '/postgres', '/redis', '/testing']
const PERMISSION = process.allowedNodeEnvironmentFlags.has('--permission')
  ? '--permission'
  : '--experimental-permission'
/** What docs/recipes.md says that a lock needs, for the program's own directory. */
const GRANTED = ['--allow-fs-read=/proc/', '--allow-fs-write=/proc/self/fd/']
/** From Node 26 on, Unix sockets count as network. */
const NETWORK = process.allowedNodeEnvironmentFlags.has('--allow-net') ? ['--allow-net'] : []

interface SourceMap {
  readonly sources: readonly string[]
  readonly sourcesContent: readonly (string | null)[]
}

describe('the shape of the package', () => {
  let installed: Installation

  before(async () => {
    installed = await installPackage()
  })
  after(() => installed.remove())

  test('a lock taken through require is held for import, and vice versa', async () => {
    const seen = await printed(
      'state.mjs',
      `import { createRequire } from 'node:module'
       import slocket, * as all from 'slocket'
       import lockfile, * as lockfileAll from 'slocket/proper-lockfile'
       const require = createRequire(import.meta.url)
       const required = require('slocket')
       const first = await required('state.lock')
       const { held } = await slocket.query('state.lock')
       // Known only to the state of one implementation: the body holds it.
       const nested = await slocket.with('with.lock', () => required.with('with.lock', () => 1).catch(({ code }) => code))
       await required('file.lock', { linger: 0 }).then((lock) => lock.release())
       await lockfile('state.mjs')
       const { check, unlock } = require('slocket/proper-lockfile')
       const isLocked = await check('state.mjs')
       await unlock('state.mjs')
       console.log(JSON.stringify([held[0].self, nested, isLocked, await lockfileAll.check('state.mjs'), first instanceof all.Lock,
         required === slocket, required.SlocketError === all.SlocketError, required.locks === all.locks]))
       await first.release()`,
    )
    assert.deepEqual(seen, [true, 'ERR_SLOCKET_DEADLOCK', true, false, true, true, true, true])
  })

  test('every subpath exports the same by require and by import, and so does its package.json', async () => {
    const differing = await printed(
      'subpaths.cjs',
      `const main = async () => {
         const differing = []
         for (const path of ${JSON.stringify(SUBPATHS)}) {
           const required = require('slocket' + path)
           const imported = await import('slocket' + path)
           if (required.__esModule) differing.push(path)
           for (const name of Object.keys(imported)) {
             if (imported[name] !== (name === 'default' ? required : required[name])) differing.push(path + ' ' + name)
           }
           for (const name of Object.keys(required)) {
             if (typeof required[name] !== 'function' || imported[name] === required[name]) continue
             // The methods of the function itself.
             if (path !== '' || !['try', 'with', 'all', 'lead', 'query', 'break', 'sync'].includes(name)) differing.push(path + ' ' + name)
           }
         }
         console.log(JSON.stringify([differing, require('slocket/package.json').name]))
       }
       void main()`,
    )
    assert.deepEqual(differing, [[], 'slocket'])
  })

  test('source maps contain the sources, and Node finds the line of an error in them', async () => {
    const packaged = join(installed.project, 'node_modules/slocket')
    const maps = installed.files.filter((file) => file.endsWith('.map'))
    assert.ok(maps.length > 5)
    let compared = 0
    for (const file of maps) {
      const map = JSON.parse(await readFile(join(packaged, file), 'utf8')) as SourceMap
      const code = await readFile(join(packaged, file.slice(0, -'.map'.length)), 'utf8')
      assert.match(code, /\n\/\/# sourceMappingURL=\w[\w-]*\.cjs\.map\n$/)
      for (const [index, source] of map.sources.entries()) {
        const content = map.sourcesContent[index]
        assert.equal(typeof content, 'string', source)
        // Others are written by the build: the list of what core.cjs exports, and the modules of Node.
        if (!source.endsWith('.ts')) continue
        const path = join(dirname(file), source)
        assert.match(path, /^src\//, `${file} leads out of the package: ${source}`)
        if (/^src\/sync\/thread-program\.ts$|^src\/engines\/(etcd|postgres|redis)\//.test(path)) continue
        assert.equal(content, await readFile(join(ROOT, path), 'utf8'), source)
        compared += 1
      }
    }
    assert.ok(compared > 50, `${compared} sources`)
    const { stderr } = start(['--enable-source-maps', '-e', "require('slocket')('/no/such/directory/lock')"])
    assert.match(stderr, /node_modules\/slocket\/src\/engines\/local\/[\w-]+\.ts:\d+:\d+/)
  })

  for (const [what, code] of [
    ['a rejection', "require('slocket')('/no/such/directory/lock')"],
    ['a timeout', "const s = require('slocket'); s('late.lock').then(() => s('late.lock', { timeout: 10 }))"],
    ['slocket.sync', "require('slocket').sync('/no/such/directory/lock')"],
    ['a wrong argument', "require('slocket').sync('')"],
  ] as const) {
    test(`an uncaught error prints less than 3 kB: ${what}`, () => {
      const { stderr, status } = start(['-e', code])
      assert.notEqual(status, 0)
      assert.match(stderr, /SlocketError|TypeError/)
      assert.ok(stderr.length < 3000, stderr)
    })
  }

  test('no file contains import.meta, or import() in CommonJS', async () => {
    for (const file of installed.files.filter((name) => name.endsWith('.cjs'))) {
      const code = await readFile(join(installed.project, 'node_modules/slocket', file), 'utf8')
      const withoutComments = code.replaceAll(/^\s*(\/\/|\/?\*).*$/gm, '')
      assert.doesNotMatch(withoutComments, /\bimport\.meta\b|\bimport\(/, file)
    }
  })

  for (const format of ['cjs', 'esm'] as const) {
    test(`a bundle in one file (${format}) works in an empty directory, and names missing packages`, async () => {
      await writeFile(
        join(installed.project, 'bundled.mjs'),
        `import slocket, { locks } from 'slocket'
         import lockfile from 'slocket/proper-lockfile'
         import { etcd } from 'slocket/etcd'
         import { postgres } from 'slocket/postgres'
         import { redis } from 'slocket/redis'
         const main = async () => {
           await (await slocket('async.lock')).release()
           slocket.sync('sync.lock').release()
           lockfile.lockSync('.', { lockfilePath: 'file.lock' })()
           const named = await locks.request('bundled', ({ name }) => name)
           const missing = []
           const engines = [etcd({ endpoints: '127.0.0.1:1' }), postgres({ host: '127.0.0.1', port: 1 }), redis({ url: 'redis://127.0.0.1:1' })]
           for (const engine of engines) {
             await slocket('lock', { engine }).catch(({ code, message }) => missing.push(code, /npm install (pg|@grpc|redis)/.test(message)))
           }
           console.log(JSON.stringify([named, ...missing]))
         }
         void main()`,
      )
      const empty = await mkdtemp(join(dirname(installed.project), 'empty-'))
      const bundle = join(empty, format === 'cjs' ? 'bundle.cjs' : 'bundle.mjs')
      const parameters = ['bundled.mjs', '--bundle', '--platform=node', `--format=${format}`, `--outfile=${bundle}`]
      await runTool('esbuild', [...parameters, '--log-level=error'], installed.project)
      const { stdout, stderr } = start([bundle], empty)
      assert.equal(stderr, '')
      const told = [1, 2, 3].flatMap(() => ['ERR_SLOCKET_NO_CLIENT', true])
      assert.deepEqual(JSON.parse(stdout), ['bundled', ...told])
      await rm(empty, { recursive: true })
    })
  }

  test('slocket.sync works if only loader hooks can read the package', async () => {
    const archive = join(installed.project, 'archive.zip/dist')
    const real = join(installed.project, 'node_modules/slocket/dist')
    await writeFile(
      join(installed.project, 'hooks.cjs'),
      // As Yarn PnP does: require() of files that are in an archive.
      `const Module = require('node:module')
       const path = require('node:path')
       const archive = ${JSON.stringify(archive)}
       const resolve = Module._resolveFilename
       Module._resolveFilename = (request, parent, ...rest) => {
         if (request === 'slocket') return path.join(archive, 'index.cjs')
         if (request.startsWith('.') && parent.filename.startsWith(archive)) return path.join(path.dirname(parent.filename), request)
         return resolve(request, parent, ...rest)
       }
       Module._extensions['.cjs'] = (module, file) =>
         module._compile(require('node:fs').readFileSync(file.replace(archive, ${JSON.stringify(real)}), 'utf8'), file)`,
    )
    const program =
      "const s = require('slocket'); s.sync('hooks.lock').release(); console.log(require.resolve('slocket'))"
    const { stdout, stderr } = start(['--require', './hooks.cjs', '-e', program])
    assert.match(stdout, /archive\.zip\/dist\/index\.cjs/, stderr)
  })

  test('fs.cp copies a directory with a lock in it, if its filter omits the lock as docs/recipes.md says', async () => {
    const recipes = await readFile(join(ROOT, 'docs/recipes.md'), 'utf8')
    const filter = /filter: (.*),$/m.exec(recipes)?.[1]
    assert.ok(filter !== undefined)
    const seen = await printed(
      'copy.cjs',
      `const fs = require('node:fs')
       const path = require('node:path')
       const slocket = require('slocket')
       fs.mkdirSync('copied')
       fs.writeFileSync('copied/file', '')
       const copy = (to, options) => {
         try { fs.cpSync('copied', to, { recursive: true, ...options }); return fs.readdirSync(to) } catch (error) { return error.code }
       }
       slocket('copied/build.lock', { linger: 0 }).then(async (lock) => {
         console.log(JSON.stringify([copy('one'), copy('two', { filter: ${filter} })]))
         await lock.release()
       })`,
    )
    // From Node 24 on, `fs.cpSync` doesn't fail at a socket.
    const [whole, filtered] = seen as [unknown, unknown]
    if (!Array.isArray(whole)) assert.equal(whole, 'ERR_FS_CP_SOCKET')
    assert.deepEqual(filtered, ['file'])
  })

  describe("under Node's permission model", () => {
    const asynchronous = 'slocket(path).then((lock) => lock.release()).then(() => console.log("done"), tell)'
    // A lock that isn't free needs the thread, also if it can be shared at once.
    const synchronous =
      'slocket(path, { mode: "shared" }).then((lock) => { try { slocket.sync(path, { mode: "shared" }).release(); console.log("done") } catch (error) { tell(error) } return lock.release() })'

    for (const [what, code, granted, expected] of [
      [
        'without /proc, a lock says what to grant',
        asynchronous,
        [],
        /^ERR_SLOCKET_PERMISSION .*--allow-fs-read=\/proc\//,
      ],
      [
        'without writing by descriptors, a lock says what to grant',
        asynchronous,
        GRANTED.slice(0, 1),
        /^ERR_SLOCKET_PERMISSION .*--allow-fs-write=\/proc\/self\/fd\//,
      ],
      ['a lock works with what is documented', asynchronous, GRANTED, /^done/],
      [
        'without /proc, slocket/proper-lockfile locks as proper-lockfile does',
        `require('slocket/proper-lockfile').lock(path, { realpath: false }).then((release) => (console.log(release.kind), release())).then(() => console.log('done'), tell)`,
        [],
        /^mkdir\ndone/,
      ],
      [
        'without --allow-worker, slocket.sync asks for it',
        synchronous,
        GRANTED,
        /^ERR_SLOCKET_NO_THREAD .*--allow-worker/,
      ],
      [
        'slocket.sync of a free lock needs no --allow-worker',
        'try { slocket.sync(path).release(); console.log("done") } catch (error) { tell(error) }',
        GRANTED,
        /^done/,
      ],
      ['slocket.sync works with --allow-worker', synchronous, [...GRANTED, '--allow-worker'], /^done/],
    ] as const) {
      test(what, async () => {
        await writeFile(
          join(installed.project, 'permission.cjs'),
          `const slocket = require('slocket')
           const path = require('node:path').join(__dirname, 'permission.lock')
           const tell = ({ code, message }) => console.log(code, message)
           ${code}`,
        )
        const own = [`--allow-fs-read=${installed.project}/`, `--allow-fs-write=${installed.project}/`]
        const { stdout, stderr } = start([
          PERMISSION,
          '--no-warnings',
          ...NETWORK,
          ...own,
          ...granted,
          'permission.cjs',
        ])
        assert.match(stdout, expected, stderr)
      })
    }

    test(
      'without --allow-net, the error asks for it',
      { skip: NETWORK.length === 0 && 'Unix sockets are no network on this Node' },
      () => {
        const own = [`--allow-fs-read=${installed.project}/`, `--allow-fs-write=${installed.project}/`]
        const code = "require('slocket')('denied.lock').catch(({ code, message }) => console.log(code, message))"
        const { stdout, stderr } = start([PERMISSION, '--no-warnings', ...own, ...GRANTED, '-e', code])
        assert.match(stdout, /^ERR_SLOCKET_PERMISSION .*--allow-net/, stderr)
      },
    )

    for (const [where, variable, directory] of [
      ['in $XDG_RUNTIME_DIR', 'XDG_RUNTIME_DIR', ''],
      ['in the directory for temporary files', 'TMPDIR', `slocket-${process.getuid!()}*`],
    ] as const) {
      test(`a named lock ${where} works with the documented permissions`, async () => {
        const home = await mkdtemp(join(dirname(installed.project), 'named-'))
        await writeFile(
          join(installed.project, 'named.cjs'),
          "require('slocket').locks.request('name', () => console.log('done')).catch(console.error)",
        )
        const own = [
          `--allow-fs-read=${installed.project}/`,
          `--allow-fs-read=${home}/${directory}`,
          `--allow-fs-write=${home}/${directory}`,
        ]
        const parameters = [PERMISSION, '--no-warnings', ...NETWORK, ...own, ...GRANTED, 'named.cjs']
        const { stdout, stderr } = start(parameters, undefined, { XDG_RUNTIME_DIR: undefined, [variable]: home })
        assert.equal(stdout, 'done\n', stderr)
        await rm(home, { recursive: true })
      })
    }
  })

  function start(
    parameters: readonly string[],
    cwd = installed.project,
    more: NodeJS.ProcessEnv = {},
  ): { stdout: string; stderr: string; status: number | null } {
    // The watchdog of the tests is not meant for it.
    const { NODE_OPTIONS: _, ...inherited } = process.env
    const env = { ...inherited, ...more }
    return spawnSync(process.execPath, parameters, { cwd, env, encoding: 'utf8', timeout: 60_000 })
  }

  async function printed(file: string, code: string): Promise<unknown> {
    await writeFile(join(installed.project, file), code)
    const { stdout, stderr } = start([file])
    assert.equal(stderr, '')
    return JSON.parse(stdout)
  }
})
