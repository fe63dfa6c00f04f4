// What README.md and docs/platforms.md say of runtimes is what `npm run test:runtimes` has.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ROOT } from './install.ts'

interface Manifest {
  readonly engines: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

const runtimes = Object.entries(read('runtimes/package.json').devDependencies)

test('each runtime is pinned to one version, which both documents name', () => {
  assert.ok(runtimes.length >= 5)
  for (const [name, specifier] of runtimes) {
    const version = /@(\d+\.\d+\.\d+)$/.exec(specifier)?.[1]
    assert.ok(version !== undefined, `${name}: ${specifier}`)
    for (const document of ['README.md', 'docs/platforms.md'])
      assert.ok(readFileSync(join(ROOT, document), 'utf8').includes(version), `${document} does not name ${version}`)
  }
})

test('the oldest Node that the package supports is among them', () => {
  assert.equal(read('package.json').engines['node'], '>=20.19')
  assert.ok(runtimes.some(([, specifier]) => specifier.endsWith('@20.19.0')))
})

function read(path: string): Manifest {
  return JSON.parse(readFileSync(join(ROOT, path), 'utf8')) as Manifest
}
