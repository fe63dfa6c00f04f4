// Compiles what the package holds, into dist/ or another directory: node scripts/build-dist.js [DIRECTORY]
//
// The code without comments, and beside it the declarations, with comments, that the exports of package.json lead to.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = resolve(process.argv[2] ?? join(root, 'dist'))

rmSync(dist, { recursive: true, force: true })
for (const project of ['tsconfig.build.json', 'tsconfig.types.json']) {
  const tsc = join(root, 'node_modules/.bin/tsc')
  execFileSync(tsc, ['-p', join(root, project), '--outDir', dist], { stdio: 'inherit' })
}
const exported = ['index.d.ts', 'compat/proper-lockfile.d.ts', 'testing/index.d.ts']
const needed = declarationsOf(exported.map((entry) => join(dist, entry)))
for (const name of readdirSync(dist, { recursive: true })) {
  const file = join(dist, name)
  if (file.endsWith('.d.ts') && !needed.has(file)) rmSync(file)
}

/** Those of the entries, and all that they lead to. */
function declarationsOf(entries) {
  const found = new Set()
  const rest = [...entries]
  for (let file = rest.pop(); file !== undefined; file = rest.pop()) {
    if (found.has(file)) continue
    found.add(file)
    const imports = readFileSync(file, 'utf8').matchAll(/(?:from|import\() ?'(\.[^']+)\.[jt]s'/g)
    for (const [, path] of imports) rest.push(join(dirname(file), `${path}.d.ts`))
  }
  return found
}
