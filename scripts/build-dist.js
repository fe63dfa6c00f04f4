// Builds what the package holds, into dist/ or another directory: node scripts/build-dist.js [DIRECTORY]
//
// The code of each export of package.json as one file, since to load a file takes longer than to run it: a millisecond or two. All that
// the main export loads is in one file more, `core.js`, which the other exports load too; what only those share is in files beside them.
// And the declarations, with comments, that the exports lead to. The command shares nothing with them: a script waits for it. What it
// loads later is built with the exports.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = resolve(process.argv[2] ?? join(root, 'dist'))
const { exports: exported, bin, engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const exportedEntries = Object.values(exported).map((entry) => entryOf(entry.default))
const commands = Object.values(bin).map(entryOf)
const CORE = 'core.js'
const LOADED_LATER = ['cli/commands', 'cli/engine', 'cli/wait-line']
/** What the command imports of Node by name. */
const BUILT_IN_NAMES = {
  'node:buffer': ['isUtf8'],
  'node:child_process': ['spawn'],
  'node:diagnostics_channel': ['channel', 'tracingChannel'],
  'node:path': ['resolve'],
  'node:timers': ['clearInterval', 'clearTimeout', 'setInterval', 'setTimeout'],
  'node:util': ['debuglog', 'parseArgs'],
}

rmSync(dist, { recursive: true, force: true })
const tsc = join(root, 'node_modules/.bin/tsc')
execFileSync(tsc, ['-p', join(root, 'tsconfig.types.json'), '--outDir', dist], { stdio: 'inherit' })
const needed = declarationsOf(exportedEntries.map((entry) => join(dist, `${entry}.d.ts`)))
for (const name of readdirSync(dist, { recursive: true })) {
  const file = join(dist, name)
  if (file.endsWith('.d.ts') && !needed.has(file)) rmSync(file)
}
const options = {
  absWorkingDir: root,
  outdir: dist,
  bundle: true,
  packages: 'external',
  platform: 'node',
  format: 'esm',
  target: `node${engines.node.replace('>=', '')}`,
  minifyWhitespace: true,
  minifySyntax: true,
  charset: 'utf8',
  logLevel: 'warning',
}
const main = entryOf(exported['.'].default)
const { modules: core, later } = await modulesLoadedBy(main)
await write({
  stdin: { contents: coreOf(core), resolveDir: root, sourcefile: CORE },
  outdir: undefined,
  outfile: join(dist, CORE),
  plugins: [{ name: 'later', setup: ({ onResolve }) => onResolve({ filter: /^\./ }, leaveOutLater) }],
})
writeFileSync(join(dist, `${main}.js`), exportOf(core.get(sourceOf(main)), `./${CORE}`))
await write({
  entryPoints: {
    ...entryPointsOf([...exportedEntries.filter((entry) => entry !== main), ...later, ...LOADED_LATER]),
    // Run by a thread of its own, which src/sync/stand-in.ts starts: it looks for it beside the file that it is in itself.
    'stand-in-thread': sourceOf('sync/stand-in-thread'),
  },
  splitting: true,
  chunkNames: 'chunk-[hash]',
  plugins: [{ name: 'core', setup: leaveOutCore }],
})
await build({
  ...options,
  entryPoints: entryPointsOf(commands),
  // Node starts it without its loader for modules.
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
  // Nobody reads its stack traces, and what is shorter is compiled sooner.
  minifyIdentifiers: true,
  plugins: [{ name: 'command', setup: setUpCommand }],
})

/** Of an entry: the names that it exports, and that each of the modules does that are loaded with it, by their files; what it loads later. */
async function modulesLoadedBy(entry) {
  const look = { ...options, write: false, metafile: true }
  const whole = await build({ ...look, entryPoints: entryPointsOf([entry]), splitting: true })
  const { outputs } = whole.metafile
  const found = new Set(Object.keys(outputs).filter((file) => outputs[file].entryPoint === sourceOf(entry)))
  const laterEntries = new Set()
  for (const file of found) {
    for (const { path, kind } of outputs[file].imports.filter((imported) => imported.path in outputs)) {
      if (kind === 'dynamic-import') laterEntries.add(nameOf(outputs[path].entryPoint))
      else found.add(path)
    }
  }
  const files = [...found].flatMap((file) => Object.keys(outputs[file].inputs))
  const apart = await build({ ...look, entryPoints: files, bundle: false, packages: undefined })
  const modules = new Map(Object.values(apart.metafile.outputs).map(({ entryPoint, exports }) => [entryPoint, exports]))
  return { modules, later: laterEntries }
}

/** Exports all that each of them does, once: the entry exports again what is another's. Of two things of one name, the build would fail. */
function coreOf(modules) {
  const others = [...modules].filter(([file]) => file !== sourceOf(main))
  const taken = new Set(others.flatMap(([, names]) => names))
  const own = modules.get(sourceOf(main)).filter((name) => !taken.has(name))
  return [...others, [sourceOf(main), own]].map(([file, names]) => exportOf(names, `./${file}`)).join('')
}

function exportOf(names, file) {
  return `export{${names.map((name) => JSON.stringify(name)).join(',')}}from${JSON.stringify(file)};\n`
}

/** What is in the core is had from there, by a specifier that {@link write} turns into a path. */
function leaveOutCore({ onResolve }) {
  const files = new Set([...core.keys()].map((file) => join(root, file)))
  onResolve({ filter: /^\./ }, ({ path, resolveDir, kind }) =>
    kind !== 'entry-point' && files.has(resolve(resolveDir, path))
      ? { path: `slocket:${CORE}`, external: true }
      : undefined,
  )
}

async function write(more) {
  const { outputFiles } = await build({ ...options, ...more, write: false })
  for (const { path, text } of outputFiles) {
    const toCore = relative(dirname(path), join(dist, CORE))
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(
      path,
      text.replaceAll(`"slocket:${CORE}"`, JSON.stringify(toCore.startsWith('.') ? toCore : `./${toCore}`)),
    )
  }
}

/** What a command imports when it is asked for is a file beside it; what it needs of Node it has from there, not by a copy for each file. */
function setUpCommand({ onResolve, onLoad }) {
  onResolve({ filter: /^\./ }, leaveOut)
  onResolve({ filter: /^node:/ }, ({ path }) => ({ path, namespace: 'built-in' }))
  onLoad({ filter: /^/, namespace: 'built-in' }, ({ path }) => {
    const names = BUILT_IN_NAMES[path] ?? []
    const lines = names.map((name) => `export const ${name} = builtIn.${name}`)
    return {
      contents: [`const builtIn = process.getBuiltinModule('${path}')`, 'export default builtIn', ...lines].join('\n'),
    }
  })
}

function entryPointsOf(entries) {
  return Object.fromEntries(entries.map((entry) => [entry, sourceOf(entry)]))
}

function leaveOut({ path, kind, resolveDir }) {
  if (kind !== 'dynamic-import') return undefined
  const entry = nameOf(join(resolveDir, path))
  if (!LOADED_LATER.includes(entry)) throw new Error(`${entry} is not among LOADED_LATER`)
  return { path: `./${relative('cli', entry)}.js`, external: true }
}

/** What the core loads later is a file beside it. */
function leaveOutLater({ path, kind, resolveDir }) {
  return kind === 'dynamic-import' ? { path: `./${nameOf(join(resolveDir, path))}.js`, external: true } : undefined
}

function sourceOf(entry) {
  return `src/${entry}.ts`
}

function nameOf(source) {
  return relative(join(root, 'src'), resolve(root, source)).replace(/\.ts$/, '')
}

/** The name of the file in src/ that a file of the package is made of, and its own, without an ending. */
function entryOf(file) {
  return relative('dist', file).replace(/\.c?js$/, '')
}

/** Those of the entries, and all that they lead to. */
function declarationsOf(files) {
  const found = new Set()
  const rest = [...files]
  for (let file = rest.pop(); file !== undefined; file = rest.pop()) {
    if (found.has(file)) continue
    found.add(file)
    const imports = readFileSync(file, 'utf8').matchAll(/(?:from|import\() ?'(\.[^']+)\.[jt]s'/g)
    for (const [, path] of imports) rest.push(join(dirname(file), `${path}.d.ts`))
  }
  return found
}
