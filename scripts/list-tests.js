// Lists the test files, as paths below the root, with slashes on Windows too: those whose path contains one of `parts`, or all if there are none.
// Tests that need servers are separate: all in test/engines/ except those of the local engine, and the example of two machines.
import { readdirSync } from 'node:fs'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

const needsServers = (path) =>
  path === 'test/examples/two-machines.test.ts' ||
  (path.startsWith('test/engines/') && !path.startsWith('test/engines/local/'))

export function listTests(parts, { engines = false } = {}) {
  return readdirSync(join(root, 'test'), { recursive: true })
    .filter((path) => path.endsWith('.test.ts'))
    .map((path) => `test/${path.replaceAll(sep, '/')}`)
    .filter((path) => needsServers(path) === engines)
    .filter((path) => parts.length === 0 || parts.some((part) => path.includes(part)))
    .sort()
}
