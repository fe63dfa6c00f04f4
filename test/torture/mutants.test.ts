/** The deliberate faults that the torture tests must find. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { reasonWithout } from '../helpers/privileges.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const PATCHES = path.join(ROOT, 'torture/mutants')

test('each patch applies to src/', { skip: reasonWithout('patch', '--version') }, () => {
  const copy = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-mutants-'))
  try {
    fs.cpSync(path.join(ROOT, 'src'), path.join(copy, 'src'), { recursive: true })
    const patches = fs.readdirSync(PATCHES)
    assert.ok(patches.length >= 5)
    for (const patch of patches) {
      execFileSync('patch', ['-p1', '--dry-run', '--fuzz=0', '-i', path.join(PATCHES, patch)], { cwd: copy })
    }
  } finally {
    fs.rmSync(copy, { recursive: true, force: true })
  }
})
