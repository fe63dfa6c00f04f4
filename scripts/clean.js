// Deletes the named folders of this package: node scripts/clean.js build dist
import { rmSync } from 'node:fs'

for (const folder of process.argv.slice(2))
  rmSync(new URL(`../${folder}`, import.meta.url), { recursive: true, force: true })
