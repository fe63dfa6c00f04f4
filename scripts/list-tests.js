// The test files, as paths below the root: those whose path contains one of `parts`, or all where there are none.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

export function listTests(parts) {
  return readdirSync(join(root, 'test'), { recursive: true })
    .filter((path) => path.endsWith('.test.ts'))
    .map((path) => join('test', path))
    .filter((path) => parts.length === 0 || parts.some((part) => path.includes(part)))
    .sort()
}
