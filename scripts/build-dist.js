// Builds what the package holds, into dist/ or another directory: node scripts/build-dist.js [DIRECTORY]
//
// One implementation in CommonJS. core.cjs holds every module that the main export loads, and every module that two other files load, so that
// state exists once. Each other export, and what is loaded later, is a file of its own that requires core.cjs. For `import`, each export has
// a wrapper, *.mjs, that imports the CommonJS file. docs/decisions/0012-package.md says why.
//
// The command shares nothing with them: a script waits for it. What the command loads later is built with the exports.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { writeDeclarations } from './build-declarations.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = resolve(process.argv[2] ?? join(root, 'dist'))
const { exports: exported, bin, engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const exportedEntries = Object.values(exported)
  .filter((entry) => typeof entry === 'object')
  .map((entry) => entryOf(entry.require.default))
const commands = Object.values(bin).map(entryOf)
const main = entryOf(exported['.'].require.default)
const CORE = 'core'
/** What the library, and the command, load when it is asked for. */
const LOADED_LATER = ['web-locks/context', 'engines/local/names/index', 'cli/commands', 'cli/engine', 'cli/wait-line']
/** The module that knows what the thread of `slocket.sync` runs: in the package, a string in a file of its own. */
const THREAD_PROGRAM = 'sync/thread-program'
const options = {
  absWorkingDir: root,
  bundle: true,
  packages: 'external',
  platform: 'node',
  format: 'cjs',
  target: `node${engines.node.replace('>=', '')}`,
  // import() in CommonJS fails in some tools, such as Jest; `require` never does.
  supported: { 'dynamic-import': false },
  define: { 'import.meta.dirname': '__dirname' },
  sourcemap: 'linked',
  charset: 'utf8',
  logLevel: 'warning',
}

rmSync(dist, { recursive: true, force: true })
buildDeclarations()

const builtInNames = readBuiltInNames()
const libraryEntries = [...exportedEntries.filter((entry) => entry !== main), ...LOADED_LATER]
const core = await coreModules()
await buildFile(CORE, {
  stdin: { contents: await exportAll(core), resolveDir: root, sourcefile: `${CORE}.js` },
  plugins: [separate(CORE, new Set()), builtIns(), program(CORE)],
})
const namesOfEntries = await exportsOf(exportedEntries.map(sourceOf))
for (const entry of libraryEntries) {
  await buildFile(entry, {
    entryPoints: [sourceOf(entry)],
    footer: exportedEntries.includes(entry) ? { js: footerOf(namesOfEntries.get(sourceOf(entry))) } : {},
    plugins: [separate(entry, core), builtIns(), peers()],
  })
}
// Not `module.exports = require(…)`: for `import`, Node would then parse all of core.cjs in search of names, which takes ten times as long.
write(`${main}.cjs`, `'use strict'\nconst core = require('${specifier(main, CORE)}')\nmodule.exports = core.default\n`)
for (const entry of exportedEntries) write(`${entry}.mjs`, wrapperOf(entry, namesOfEntries.get(sourceOf(entry))))
write(`${THREAD_PROGRAM}.cjs`, textModule(await threadProgram()))
for (const entry of commands) {
  await buildFile(entry, {
    entryPoints: [sourceOf(entry)],
    plugins: [separate(entry, new Set()), builtIns(), program(entry)],
  })
}

/** Builds as if into dist/ of the repository: source maps name the sources as seen from there, wherever the package is built. */
async function buildFile(name, own) {
  const home = join(root, 'dist')
  const { outputFiles } = await build({ ...options, ...own, outfile: join(home, `${name}.cjs`), write: false })
  for (const { path, text } of outputFiles) write(relative(home, path), text)
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

/** The modules of core.cjs, as paths of sources. */
async function coreModules() {
  const found = new Set(await modulesOf(main))
  const seen = new Set()
  for (const entry of libraryEntries) {
    for (const source of await modulesOf(entry)) {
      // What the files of the command share has no state.
      if (seen.has(source) && !source.startsWith('src/cli/')) found.add(source)
      seen.add(source)
    }
  }
  return found
}

/** The sources that are loaded with an entry. */
async function modulesOf(entry) {
  const look = { ...options, entryPoints: [sourceOf(entry)], outdir: dist, write: false, metafile: true }
  const { metafile } = await build({ ...look, plugins: [separate(entry, new Set()), program(entry)] })
  return Object.keys(metafile.inputs).filter((source) => source.startsWith('src/'))
}

/** The names that sources export, by the paths of the sources. */
async function exportsOf(sources) {
  const look = { ...options, format: 'esm', supported: {}, sourcemap: false, bundle: false, packages: undefined }
  const { metafile } = await build({ ...look, entryPoints: sources, outdir: dist, write: false, metafile: true })
  return new Map(Object.values(metafile.outputs).map(({ entryPoint, exports }) => [entryPoint, exports]))
}

/** Exports all that the modules do, once: the main export exports again what is another's. Of two things of one name, the build would fail. */
async function exportAll(modules) {
  const names = await exportsOf([...modules])
  const others = [...modules].filter((source) => source !== sourceOf(main))
  const taken = new Set(others.flatMap((source) => names.get(source)))
  const own = names.get(sourceOf(main)).filter((name) => !taken.has(name))
  const lists = [...others.map((source) => [source, names.get(source)]), [sourceOf(main), own]]
  return lists.map(([source, list]) => `export { ${list.join(', ')} } from './${source}'\n`).join('')
}

/** What `require` of an export gives: its default export, which has the others as properties, or an object without `__esModule`. */
function footerOf(names) {
  return `module.exports = ${names.includes('default') ? 'module.exports.default' : '{ ...module.exports }'}`
}

function wrapperOf(entry, names) {
  const named = names.filter((name) => name !== 'default')
  const file = `./${entry.split('/').at(-1)}.cjs`
  return [
    `import all from '${file}'`,
    ...(names.includes('default') ? ['export default all'] : []),
    `export const { ${named.join(', ')} } = all\n`,
  ].join('\n')
}

/** What is in core.cjs, or is loaded later, is required from there. */
function separate(entry, coreSources) {
  const to = (other) => ({ path: specifier(entry, other), external: true })
  return {
    name: 'separate',
    setup({ onResolve }) {
      onResolve({ filter: /^\./ }, ({ path, resolveDir, kind }) => {
        if (kind === 'entry-point') return undefined
        const name = nameOf(join(resolveDir, path))
        if (kind === 'dynamic-import' && isFile(name)) return to(name)
        return coreSources.has(sourceOf(name)) ? to(CORE) : undefined
      })
    },
  }
}

function isFile(name) {
  return LOADED_LATER.includes(name) || exportedEntries.includes(name)
}

/** What an engine needs is a call of `require` in `try`: bundlers go on if that package is missing. */
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

/** What the thread of `slocket.sync` runs is read by the first call. */
function program(entry) {
  return {
    name: 'program',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /thread-program\.cjs$/ }, ({ path }) => ({ path, external: true }))
      onLoad({ filter: /\/src\/sync\/thread-program\.ts$/ }, () => ({
        contents: `export function threadProgram() {\n  return require('${specifier(entry, THREAD_PROGRAM)}')\n}`,
      }))
    },
  }
}

async function threadProgram() {
  // `workerData` is what src/sync/stand-in.ts has put before it.
  const contents = `import { serve } from './${sourceOf('sync/stand-in-thread')}'\nserve(workerData)`
  const { outputFiles } = await build({
    ...options,
    stdin: { contents, resolveDir: root },
    plugins: [builtIns()],
    sourcemap: false,
    write: false,
  })
  return `(() => {\n${outputFiles[0].text}})()\n`
}

/** A module that is a text, line by line. */
function textModule(text) {
  const lines = text.split('\n').map((line) => `  ${JSON.stringify(line)},\n`)
  return `'use strict'\nmodule.exports = [\n${lines.join('')}].join('\\n')\n`
}

/** Modules of Node come from Node itself: a bundle that is ESM has no `require` for them. It is quicker, too: nothing is copied. */
function builtIns() {
  return {
    name: 'built-ins',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^node:/ }, ({ path }) => ({ path, namespace: 'built-in' }))
      onLoad({ filter: /^/, namespace: 'built-in' }, ({ path }) => {
        // Marked as pure, so that what a file does not use is left out: to read `parseArgs` of node:util loads another module.
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

/** What sources import by name of the modules of Node, by those. */
function readBuiltInNames() {
  const found = new Map()
  for (const file of readdirSync(join(root, 'src'), { recursive: true }).filter((name) => name.endsWith('.ts'))) {
    const text = readFileSync(join(root, 'src', file), 'utf8')
    for (const [, names = '', from] of text.matchAll(/^import (?:\w+|\{([^}]*)\}) from '(node:[^']+)'/gm)) {
      if (!found.has(from)) found.set(from, new Set())
      for (const name of names.split(',').map((item) => item.replace(/ as .*/, '').trim())) {
        if (name !== '' && !name.startsWith('type ')) found.get(from).add(name)
      }
    }
  }
  return found
}

function write(name, text) {
  const file = join(dist, name)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

/** How the file of one entry names that of another. */
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

/** The name of the file in src/ that a file of the package is made of, and its own, without an ending. */
function entryOf(file) {
  return relative('dist', file).replace(/\.cjs$/, '')
}
