// Builds the package, into dist/ or another directory: node scripts/build-dist.js [DIRECTORY]
//
// It is one implementation in CommonJS, split by when its parts are needed:
//
//  - core.cjs: what `require('slocket')` loads immediately: the API without the engines.
//  - work.cjs: the local engine, and every module that two of the other files use. So each module, and its state, exists once.
//  - The other modules of FIRST_CALL, and the other exports, have a file each.
//
// work.cjs and the files of FIRST_CALL export a function that makes the file's contents for the core that calls it. Only core.cjs loads them
// (its object `load`), so they never require another file of the package.
//
// A file that imports a module of FIRST_CALL gets functions of the same names instead, which load the module's file when one of them is first
// called (src/later.ts). For `import`, each export has a wrapper, *.mjs, that imports the CommonJS file. docs/decisions/0012-package.md
// says why.
//
// The command has its own copy of everything, since it is a process of its own and acquires at once. What it loads later uses the files above.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { writeDeclarations } from './build-declarations.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = resolve(process.argv[2] ?? join(root, 'dist'))
const { exports: exported, bin, engines, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const exportedEntries = Object.values(exported)
  .filter((entry) => typeof entry === 'object')
  .map((entry) => entryOf(entry.require.default))
const commands = Object.values(bin).map(entryOf)
const main = entryOf(exported['.'].require.default)
const CORE = 'core'
const WORK = 'work'
/** The local engine on Windows: loaded there only. */
const WINDOWS = 'engines/local/windows/index'
/** Modules in work.cjs that other files forward to. */
const OF_WORK = [
  'acquire',
  'break-lock',
  'calls/all',
  'calls/lead',
  'calls/minimum-hold',
  'calls/nested',
  'calls/run-under',
  'compat/unless-refused',
  'core/deadlock',
  'downgrade',
  'engines/local/index',
  'engines/local/lock-path',
  'engines/local/occupant/mkdir-lock',
  'holding',
  'lock-request',
  'lock-traces',
  'option-hints',
  'requests/obstacle',
  'requests/option-advice',
  'sync/is-held',
  'web-locks/arguments',
]
/** Modules that are loaded by the first call of one of their functions. */
const FIRST_CALL = [
  ...OF_WORK,
  'engines/local/names/index',
  WINDOWS,
  'engines/memory/index',
  'sync/acquire-sync',
  'web-locks/client',
]
/** Modules that have no state of their own: a file that imports them has a copy, even if another one has them, too. */
const COPIED = [
  'src/cli/',
  'src/engines/awake.ts',
  'src/engines/deadline.ts',
  'src/engines/join-order.ts',
  'src/engines/keep-alive.ts',
  'src/engines/local/names/name-coding.ts',
  'src/engines/missing-client.ts',
  'src/engines/redis/',
  'src/engines/secrets.ts',
  'src/engines/ticket-value.ts',
]
/** Modules that the command loads by `import()`. */
const LOADED_LATER = ['cli/commands', 'cli/engine', 'cli/wait-line']
/** The module that knows what the thread of `slocket.sync` runs: in the package, a string in a file of its own. */
const THREAD_PROGRAM = 'sync/thread-program'
/** The same with the local engine of Windows, which the other one leaves out: the more code a thread has to compile, the later it starts. */
const WINDOWS_THREAD_PROGRAM = 'sync/thread-program-windows'
const THROWS = "throw new Error('the local engine of Windows is not part of this program')"
/** A module of core.cjs, which exports `load`: for each file that the core loads, a function that returns the file's contents. */
const FILES = 'slocket:files'
const sources = readSources()
/** Identifies the build: its files work together, and with no others. */
const buildId = createHash('sha256')
  .update(JSON.stringify([version, readFileSync(import.meta.filename, 'utf8'), ...sources]))
  .digest('hex')
  .slice(0, 12)
const options = {
  absWorkingDir: root,
  bundle: true,
  packages: 'external',
  platform: 'node',
  format: 'cjs',
  target: `node${engines.node.replace('>=', '')}`,
  // import() in CommonJS fails in some tools, such as Jest; `require` never does.
  supported: { 'dynamic-import': false },
  define: { 'import.meta.dirname': '__dirname', BUILD: JSON.stringify(buildId) },
  sourcemap: 'linked',
  logLevel: 'warning',
}

rmSync(dist, { recursive: true, force: true })
buildDeclarations()

const builtInNames = readBuiltInNames()
const homes = await homesOf()
const namesOfEntries = await exportsOf(exportedEntries.map(sourceOf))
for (const home of [CORE, WORK]) {
  await buildFile(home, {
    stdin: { contents: await exportAll(home), resolveDir: root, sourcefile: `${home}.js` },
    logOverride: { 'commonjs-variable-in-esm': 'silent' },
    plugins: [separate(home, homes), builtIns(), program()],
  })
}
for (const entry of laterEntries()) {
  await buildFile(entry, {
    entryPoints: [sourceOf(entry)],
    footer: exportedEntries.includes(entry) ? { js: footerOf(entry, namesOfEntries.get(sourceOf(entry))) } : {},
    plugins: [separate(entry, homes), builtIns(), program(), peers()],
  })
}
// Not `module.exports = require(…)`: for `import`, Node would then search all of core.cjs for names, which takes ten times as long.
write(`${main}.cjs`, `'use strict'\nconst core = require('${specifier(main, CORE)}')\nmodule.exports = core.default\n`)
for (const entry of exportedEntries) write(`${entry}.mjs`, wrapperOf(entry, namesOfEntries.get(sourceOf(entry))))
write(`${THREAD_PROGRAM}.cjs`, textFile(await threadProgram([withoutWindows(() => THROWS)])))
write(`${WINDOWS_THREAD_PROGRAM}.cjs`, textFile(await threadProgram([])))
for (const entry of commands) {
  const ofCore = (own) => `return require('${specifier(entry, CORE)}').load['${WINDOWS}']().${own}(...parameters)`
  await buildFile(entry, {
    entryPoints: [sourceOf(entry)],
    external: [specifier(entry, CORE)],
    plugins: [withoutWindows(ofCore), separate(entry), builtIns(), program()],
  })
}

/** Builds as if into dist/ of the repository, so that source maps name the sources relative to that, wherever the package is built. */
async function buildFile(name, own) {
  const home = join(root, 'dist')
  const { start, end } = frameOf(name)
  const { outputFiles } = await build({
    ...options,
    ...own,
    // esbuild writes its own `use strict` below the banner, where it has no effect, or doesn't write it.
    banner: { js: ["'use strict'", ...start].join('\n') },
    footer: { js: [...(own.footer?.js === undefined ? [] : [own.footer.js]), ...end].join('\n') },
    outfile: join(home, `${name}.cjs`),
    write: false,
  })
  for (const { path, text } of outputFiles)
    write(relative(home, path), path.endsWith('.map') ? text : requireOnce(name, text))
}

/** The lines around the code of a file. */
function frameOf(name) {
  if (name === CORE || commands.includes(name)) return { start: [], end: [] }
  if (filesOfCore().includes(name)) {
    // The parentheses make V8 compile the function immediately. Without them, V8 parses the code twice.
    const start = [
      `exports.build = '${buildId}'`,
      'exports.make = (function (core) {',
      'const module = { exports: {} }',
    ]
    return { start, end: ['return module.exports', '})'] }
  }
  return { start: [`const core = require('${specifier(name, CORE)}')`, `core.checkBuild('${buildId}')`], end: [] }
}

/**
 * Replaces what esbuild writes for each import of another file: core.cjs is `core` here, and work.cjs comes from it. If a file imports work.cjs
 * several times, only the first time calls a function.
 */
function requireOnce(name, text) {
  if (name === CORE || commands.includes(name)) return text
  let first
  return text
    .replaceAll(`require("${specifier(name, CORE)}")`, 'core')
    .replaceAll(`require("${specifier(name, WORK)}")`, 'core.load.work()')
    .replaceAll(/^var (import_\w+) = core\.load\.work\(\);$/gm, (line, variable) => {
      if (first !== undefined) return `var ${variable} = ${first};`
      first = variable
      return line
    })
}

function buildDeclarations() {
  const scratch = mkdtempSync(join(tmpdir(), 'slocket-types-'))
  try {
    const tsc = join(root, 'node_modules/.bin/tsc')
    execFileSync(tsc, ['-p', join(root, 'tsconfig.types.json'), '--outDir', scratch], { stdio: 'inherit' })
    writeDeclarations({ from: scratch, to: dist, entries: exportedEntries })
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** The files beside core.cjs and work.cjs. */
function laterEntries() {
  return [...exportedEntries.filter((entry) => entry !== main), ...ownFiles(), ...LOADED_LATER]
}

/** The modules of FIRST_CALL that have a file of their own. */
function ownFiles() {
  return FIRST_CALL.filter((entry) => !OF_WORK.includes(entry))
}

/** The files that core.cjs loads. */
function filesOfCore() {
  return [WORK, ...ownFiles(), THREAD_PROGRAM, WINDOWS_THREAD_PROGRAM]
}

/** Returns the file of each module that other files use, by the path of its source. */
async function homesOf() {
  const found = new Map()
  for (const source of [...(await modulesOf(main)), sourceOf('later')]) found.set(source, CORE)
  for (const entry of OF_WORK) {
    for (const source of await modulesOf(entry)) if (!found.has(source)) found.set(source, WORK)
  }
  const seen = new Set()
  for (const entry of new Set([...exportedEntries, ...FIRST_CALL, ...LOADED_LATER])) {
    if (entry === main || OF_WORK.includes(entry)) continue
    for (const source of await modulesOf(entry)) {
      const isCopied = COPIED.some((prefix) => source.startsWith(prefix))
      if (seen.has(source) && !found.has(source) && !isCopied) found.set(source, WORK)
      seen.add(source)
    }
  }
  return found
}

/** The sources that are loaded with an entry. */
async function modulesOf(entry) {
  const look = { ...options, entryPoints: [sourceOf(entry)], outdir: dist, write: false, metafile: true }
  const { metafile } = await build({
    ...look,
    plugins: [separate(entry, new Map()), program()],
  })
  return Object.keys(metafile.inputs).filter((source) => source.startsWith('src/'))
}

/** The names that sources export, by the paths of the sources. */
async function exportsOf(paths) {
  const look = { ...options, format: 'esm', supported: {}, sourcemap: false, bundle: false, packages: undefined }
  const { metafile } = await build({ ...look, entryPoints: paths, outdir: dist, write: false, metafile: true })
  return new Map(Object.values(metafile.outputs).map(({ entryPoint, exports }) => [entryPoint, exports]))
}

/**
 * Exports everything that the modules of a file export. The build fails if two modules export the same name.
 *
 * It assigns one object: the getters that esbuild defines for each export take longer than everything else at the top of core.cjs.
 */
async function exportAll(home) {
  const modules = [...homes].filter(([, file]) => file === home).map(([source]) => source)
  const names = await exportsOf(modules)
  const others = modules.filter((source) => source !== sourceOf(main) && names.get(source).length > 0)
  const lists = others.map((source) => [source, names.get(source)])
  if (home === CORE) {
    const taken = new Set(lists.flatMap(([, list]) => list))
    const own = names.get(sourceOf(main)).filter((name) => !taken.has(name))
    lists.push([sourceOf(main), own.map((name) => (name === 'default' ? 'default as main' : name))])
  }
  const imports = lists.map(([source, list]) => `import { ${list.join(', ')} } from './${source}'\n`)
  const exports = lists.flatMap(([, list]) => list).map((name) => (name === 'default as main' ? 'default: main' : name))
  if (home === CORE) {
    imports.push(`import { load } from '${FILES}'\n`)
    exports.push('load')
  }
  return `${imports.join('')}module.exports = { ${exports.join(', ')} }\n`
}

/**
 * The result of `require` for an export: its default export, with the others as properties, or an object without `__esModule`. For a class, the object that
 * esbuild writes, with `default` and `__esModule`, since compilers expect it there.
 */
function footerOf(entry, names) {
  if (classOf(entry) !== undefined) return ''
  return `module.exports = ${names.includes('default') ? 'module.exports.default' : '{ ...module.exports }'}`
}

/** The name of the class that is an entry's default export, if it is a class. */
function classOf(entry) {
  return /^export \{ (\w+) as default \}/m.exec(sources.get(`${entry}.ts`))?.[1]
}

function wrapperOf(entry, names) {
  const named = names.filter((name) => name !== 'default')
  const file = `./${entry.split('/').at(-1)}.cjs`
  return [
    `import all from '${file}'`,
    ...(names.includes('default') ? [`export default all${classOf(entry) === undefined ? '' : '.default'}`] : []),
    `export const { ${named.join(', ')} } = all\n`,
  ].join('\n')
}

/**
 * Puts what the entry imports into its file, except for modules of other files, which are required or forwarded to.
 *
 * @param fileOf the other files, by the paths of the sources. Without it, the entry's file contains everything that the entry imports.
 */
function separate(entry, fileOf) {
  const outside = (file) => ({ path: specifier(entry, file), external: true })
  return {
    name: 'separate',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^\./ }, ({ path, resolveDir, kind, namespace }) => {
        if (namespace === 'files' && kind === 'require-call') return { path, external: true }
        if (kind === 'entry-point') return undefined
        const name = nameOf(join(resolveDir, path))
        if (kind === 'dynamic-import' && isFile(name)) return outside(name)
        const file = fileOf?.get(sourceOf(name))
        if (fileOf !== undefined && FIRST_CALL.includes(name) && name !== entry && file !== entry)
          return { path: name, namespace: 'later' }
        return file === undefined || file === entry ? undefined : outside(file)
      })
      onLoad({ filter: /^/, namespace: 'later' }, async ({ path }) => ({
        contents: await functionsOf(path, fileOf.get(sourceOf(path)) ?? path),
      }))
      onResolve({ filter: new RegExp(`^${FILES}$`) }, () =>
        entry === CORE ? { path: FILES, namespace: 'files' } : outside(CORE),
      )
      onLoad({ filter: /^/, namespace: 'files' }, () => ({ contents: loaders(), resolveDir: root }))
    },
  }
}

function isFile(name) {
  return [...exportedEntries, ...FIRST_CALL, ...LOADED_LATER].includes(name)
}

/** Returns a module with functions of the same names as another module's: the first call loads that module's file. The build fails if anything else of it is imported. */
async function functionsOf(name, file) {
  const names = (await exportsOf([sourceOf(name)])).get(sourceOf(name))
  const text = sources.get(`${name}.ts`)
  const functions = names.filter((own) => new RegExp(`^export (async )?function ${own}\\b`, 'm').test(text))
  return [
    `import { load } from '${FILES}'`,
    ...functions.map((own) => {
      const parameters = parametersOf(own, text)
      return `export function ${own}(${parameters}) {\n  return load['${file}']().${own}(${parameters})\n}`
    }),
  ].join('\n')
}

/**
 * The parameters of a function that forwards to the exported function `name`: `p1, p2`, and not `...parameters`. The first call of a request goes through these, and collecting and
 * spreading an array takes longer than the call. More parameters than the function has do no harm, so commas of types count as well.
 */
function parametersOf(name, text) {
  const declared = text.slice(text.search(new RegExp(`^export (async )?function ${name}\\b`, 'm')))
  const list = declared.slice(declared.indexOf('('))
  let depth = 0
  let count = 1
  for (let at = 0; at === 0 || (depth > 0 && at < list.length); at += 1) {
    if (depth === 1 && list.startsWith('...', at)) return '...parameters'
    if ('([{'.includes(list[at])) depth += 1
    else if (')]}'.includes(list[at])) depth -= 1
    else if (depth === 1 && list[at] === ',') count += 1
  }
  return Array.from({ length: count }, (_, index) => `p${index + 1}`).join(', ')
}

/** Returns the module FILES. Each `require` has a constant path, so that bundlers find the files. */
function loaders() {
  const lines = filesOfCore().map((file) => `  '${file}': later(() => require('./${file}.cjs'), exportsOfCore),`)
  return [
    `import { later } from './${sourceOf('later')}'`,
    'function exportsOfCore() {\n  return module.exports\n}',
    `export const load = {\n${lines.join('\n')}\n}`,
  ].join('\n')
}

/** The dependencies of an engine are required in `try`, so that bundlers continue if that package is missing. */
function peers() {
  return {
    name: 'peers',
    setup({ onLoad }) {
      onLoad({ filter: /\/src\/engines\/(etcd|postgres|redis)\/.*\.ts$/ }, ({ path }) => {
        const text = readFileSync(path, 'utf8')
        return { contents: text.replaceAll(/await import\(('[^'.][^']*')\)/g, 'require($1)'), loader: 'ts' }
      })
    },
  }
}

/** The code for the thread of `slocket.sync` is loaded by the first call that needs the thread. */
function program() {
  return {
    name: 'program',
    setup({ onLoad }) {
      onLoad({ filter: /\/src\/sync\/thread-program\.ts$/ }, () => ({
        contents: [
          `import { load } from '${FILES}'`,
          'export function threadProgram() {',
          `  return process.platform === 'win32' ? load['${WINDOWS_THREAD_PROGRAM}']() : load['${THREAD_PROGRAM}']()`,
          '}',
        ].join('\n'),
      }))
    },
  }
}

/** Replaces the bodies of functions of the local engine on Windows. */
function withoutWindows(bodyOf) {
  return {
    name: 'without-windows',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /\/windows\/index\.ts$/ }, () => ({ path: WINDOWS, namespace: 'without-windows' }))
      onLoad({ filter: /^/, namespace: 'without-windows' }, () => {
        const functions = [...sources.get(`${WINDOWS}.ts`).matchAll(/^export function (\w+)/gm)]
        const lines = functions.map(([, own]) => `export function ${own}(...parameters) {\n  ${bodyOf(own)}\n}`)
        return { contents: lines.join('\n') }
      })
    },
  }
}

async function threadProgram(plugins) {
  // `workerData` is what src/sync/worker.ts has set before.
  const contents = `import { serve } from './${sourceOf('sync/worker-thread')}'\nserve(workerData)`
  const { outputFiles } = await build({
    ...options,
    stdin: { contents, resolveDir: root },
    plugins: [...plugins, builtIns()],
    sourcemap: false,
    // A string, which nobody reads or debugs.
    minifyWhitespace: true,
    minifySyntax: true,
    write: false,
  })
  return `(() => {\n${outputFiles[0].text}})()\n`
}

/** A file of the core that consists of a text, line by line. */
function textFile(text) {
  const lines = text.split('\n').map((line) => `  ${JSON.stringify(line)},\n`)
  return `'use strict'\nexports.build = '${buildId}'\nexports.make = () => [\n${lines.join('')}].join('\\n')\n`
}

/** Modules of Node come from Node itself, since a bundle in ESM has no `require` for them. It is faster, too: nothing is copied. */
function builtIns() {
  return {
    name: 'built-ins',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^node:/ }, ({ path }) => ({ path, namespace: 'built-in' }))
      onLoad({ filter: /^/, namespace: 'built-in' }, ({ path }) => {
        // Marked as pure, so that unused ones are left out: reading `parseArgs` of node:util loads another module.
        const lines = [...(builtInNames.get(path) ?? [])].map(
          (name) => `export const ${name} = /* @__PURE__ */ take('${name}')`,
        )
        return {
          contents: [
            `const builtIn = process.getBuiltinModule('${path}')`,
            'const take = (name) => builtIn[name]',
            'export default builtIn',
            ...lines,
          ].join('\n'),
        }
      })
    },
  }
}

/** What the sources import by name from Node's modules, by module. */
function readBuiltInNames() {
  const found = new Map()
  for (const text of sources.values()) {
    for (const [, names = '', from] of text.matchAll(/^import (?:\w+|\{([^}]*)\}) from '(node:[^']+)'/gm)) {
      if (!found.has(from)) found.set(from, new Set())
      for (const name of names.split(',').map((item) => item.replace(/ as .*/, '').trim())) {
        if (name !== '' && !name.startsWith('type ')) found.get(from).add(name)
      }
    }
  }
  return found
}

/** The texts of the sources, by their paths in src/. */
function readSources() {
  const names = readdirSync(join(root, 'src'), { recursive: true }).filter((name) => name.endsWith('.ts'))
  const files = names.sort((one, other) => (one < other ? -1 : 1))
  return new Map(files.map((file) => [file, readFileSync(join(root, 'src', file), 'utf8')]))
}

function write(name, text) {
  const file = join(dist, name)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

/** How one entry's file refers to another's. */
function specifier(from, to) {
  const path = relative(dirname(from), to)
  return `${path.startsWith('.') ? '' : './'}${path}.cjs`
}

function sourceOf(entry) {
  return `src/${entry}.ts`
}

function nameOf(source) {
  return relative(join(root, 'src'), resolve(root, source)).replace(/\.ts$/, '')
}

/** The source in src/ of a file of the package, and the file's own name, without an extension. */
function entryOf(file) {
  return relative('dist', file).replace(/\.cjs$/, '')
}
