// Builds what the package holds, into dist/ or another directory: node scripts/build-dist.js [DIRECTORY]
//
// The code of each export of package.json, and of the command, as one file, since loading forty takes longer than running them,
// with what they share in files beside them; and the declarations, with comments, that the exports lead to.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = resolve(process.argv[2] ?? join(root, 'dist'))
const { exports: exported, bin, engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const exportedEntries = Object.values(exported).map((entry) => entryOf(entry.default))
const entries = [...exportedEntries, ...Object.values(bin).map(entryOf)]

rmSync(dist, { recursive: true, force: true })
const tsc = join(root, 'node_modules/.bin/tsc')
execFileSync(tsc, ['-p', join(root, 'tsconfig.types.json'), '--outDir', dist], { stdio: 'inherit' })
const needed = declarationsOf(exportedEntries.map((entry) => join(dist, `${entry}.d.ts`)))
for (const name of readdirSync(dist, { recursive: true })) {
  const file = join(dist, name)
  if (file.endsWith('.d.ts') && !needed.has(file)) rmSync(file)
}
buildSync({
  absWorkingDir: root,
  entryPoints: Object.fromEntries(entries.map((entry) => [entry, `src/${entry}.ts`])),
  outdir: dist,
  bundle: true,
  splitting: true,
  chunkNames: 'chunk-[hash]',
  packages: 'external',
  platform: 'node',
  format: 'esm',
  target: `node${engines.node.replace('>=', '')}`,
  minifyWhitespace: true,
  minifySyntax: true,
  charset: 'utf8',
  logLevel: 'warning',
})

/** The name of the file in src/ that a file of the package is made of, and its own, without an ending. */
function entryOf(file) {
  return relative('dist', file).replace(/\.js$/, '')
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
