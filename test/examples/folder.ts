/** A copy of an example, in which `slocket` is what was built here. */
import fs from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { programPath } from '../helpers/built.ts'
import { Workplace } from '../helpers/command.ts'

const ROOT: string = fileURLToPath(new URL('../../..', import.meta.url))

/** What package.json exports, as it is built here. */
const EXPORTS = {
  '.': { import: './src/index.js', require: './index.cjs' },
  './postgres': './src/engines/postgres/index.js',
  './redis': './src/engines/redis/index.js',
}

/** @param packages other packages that the example imports. */
export function placeExample(name: string, packages: readonly string[] = []): Workplace {
  const place = new Workplace()
  fs.cpSync(join(ROOT, 'examples', name), place.directory, { recursive: true })
  const slocket = place.path('node_modules/slocket')
  fs.mkdirSync(slocket, { recursive: true })
  fs.symlinkSync(programPath('src'), join(slocket, 'src'))
  fs.writeFileSync(join(slocket, 'package.json'), JSON.stringify({ name: 'slocket', type: 'module', exports: EXPORTS }))
  fs.writeFileSync(join(slocket, 'index.cjs'), `module.exports = require('./src/index.js').default`)
  for (const other of packages)
    fs.symlinkSync(join(ROOT, 'node_modules', other), place.path(join('node_modules', other)))
  return place
}

export function node(...parameters: readonly string[]): string[] {
  return [process.execPath, ...parameters]
}
