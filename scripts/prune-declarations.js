// Removes the declarations in a directory to which no exported module leads: node scripts/prune-declarations.js DIR ENTRY…
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'

const [directory, ...entries] = process.argv.slice(2)
const needed = new Set()
const rest = entries.map((entry) => resolve(directory, entry))
for (let file = rest.pop(); file !== undefined; file = rest.pop()) {
  if (needed.has(file)) continue
  needed.add(file)
  for (const [, path] of readFileSync(file, 'utf8').matchAll(/(?:from|import\()\s*'(\.[^']+)\.[jt]s'/g)) {
    rest.push(resolve(file, '..', `${path}.d.ts`))
  }
}
for (const name of readdirSync(directory, { recursive: true })) {
  const file = resolve(join(directory, name))
  if (file.endsWith('.d.ts') && !needed.has(file)) rmSync(file)
}
