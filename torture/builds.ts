/** Compiled copies of this package with one change each. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { THIS_BUILD } from './arena.ts'

const BELT = /const LOOK_MS = 1000\b/

/** Makes a copy in which waiters don't check the queue once a second: there, a lost wake-up stays lost. */
export function buildWithoutBelt(): string {
  const copy = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-no-belt-'))
  for (const part of ['src', 'torture'])
    fs.cpSync(path.join(THIS_BUILD, part), path.join(copy, part), { recursive: true })
  fs.writeFileSync(path.join(copy, 'package.json'), '{ "type": "module" }')
  const file = path.join(copy, 'src/engines/local/sleepers.js')
  const text = fs.readFileSync(file, 'utf8')
  if (!BELT.test(text)) throw new Error(`${file}: the look once a second is not where it was`)
  fs.writeFileSync(file, text.replace(BELT, 'const LOOK_MS = 600000'))
  return copy
}
