// Checks a tarball, as it would be published, with publint and attw.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const scratch = mkdtempSync(join(tmpdir(), 'slocket-check-'))
let failed = false

try {
  const [packed] = JSON.parse(execFileSync(process.execPath, [join(root, 'scripts/pack.js'), scratch]))
  const tarball = join(scratch, packed.filename)
  console.log(`packed: ${kilobytes(packed.size)}, unpacked: ${kilobytes(packed.unpackedSize)}`)
  check('publint', 'run', tarball, '--strict')
  check('attw', tarball)
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
if (failed) process.exitCode = 1

function kilobytes(bytes) {
  return `${Math.round(bytes / 1000)} kB`
}

function check(tool, ...parameters) {
  console.log(`> ${tool} ${parameters.join(' ')}`)
  const { status, error } = spawnSync(join(root, 'node_modules/.bin', tool), parameters, {
    cwd: root,
    stdio: 'inherit',
  })
  if (error !== undefined) throw error
  if (status !== 0) failed = true
}
