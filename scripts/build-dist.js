// Builds what the package holds, into dist/ or another directory: node scripts/build-dist.js [DIRECTORY]
//
// The code of each export of package.json as one file, since loading forty takes longer than running them, with what they share in
// files beside them; and the declarations, with comments, that the exports lead to. The command shares nothing with them: a script
// waits for it, and each file more takes a millisecond or two. What it loads later is built with the exports.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = resolve(process.argv[2] ?? join(root, 'dist'))
const { exports: exported, bin, engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const exportedEntries = Object.values(exported).map((entry) => entryOf(entry.default))
const commands = Object.values(bin).map(entryOf)
const LOADED_LATER = ['cli/commands', 'cli/engine', 'cli/wait-line']
/** What the command imports of Node by name. */
const BUILT_IN_NAMES = {
  'node:buffer': ['isUtf8'],
  'node:child_process': ['spawn'],
  'node:diagnostics_channel': ['channel', 'tracingChannel'],
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
await build({
  ...options,
  entryPoints: {
    ...entryPointsOf([...exportedEntries, ...LOADED_LATER]),
    // Run by a thread of its own, which src/sync/stand-in.ts starts: it looks for it beside the file that it is in itself.
    'stand-in-thread': 'src/sync/stand-in-thread.ts',
  },
  splitting: true,
  chunkNames: 'chunk-[hash]',
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
  return Object.fromEntries(entries.map((entry) => [entry, `src/${entry}.ts`]))
}

function leaveOut({ path, kind, resolveDir }) {
  if (kind !== 'dynamic-import') return undefined
  const entry = relative(join(root, 'src'), resolve(resolveDir, path)).replace(/\.ts$/, '')
  if (!LOADED_LATER.includes(entry)) throw new Error(`${entry} is not among LOADED_LATER`)
  return { path: `./${relative('cli', entry)}.js`, external: true }
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
