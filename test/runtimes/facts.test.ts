/** What the local engine depends on in the runtime, on each that the tests are run on: docs/platforms.md tells of it. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Runtime } from '../helpers/runtime.ts'
import { BUN, DENO, NODE, skipBun, skipDeno } from '../helpers/runtime.ts'

const FACTS = fileURLToPath(new URL('../fixtures/facts.js', import.meta.url))
const cutsLongPaths = Number(process.versions.node.split('.')[0]) < 24

/** What is the same in all. A difference here is a second holder, or a hang. */
const IN_ALL = {
  'listens at once': true,
  'a link to a socket is': 'connected',
  'a socket that was closed is': 'ECONNREFUSED',
  'a missing socket is': 'ENOENT',
  'closing removes the name it listened at': true,
  'a full backlog is': 'EAGAIN',
}

test('Node behaves as the local engine expects', async () => {
  assert.deepEqual(await askFor(NODE), {
    ...IN_ALL,
    'a socket in a missing directory is': 'EACCES',
    'a path of over 108 bytes is': cutsLongPaths ? 'cut' : 'EINVAL',
    'mkdir keeps the sticky bit': true,
    'hrtime counts from the start of the process': false,
  })
})

test('Deno behaves as the local engine expects, apart from known differences', { skip: skipDeno }, async () => {
  assert.deepEqual(await askFor(DENO), {
    ...IN_ALL,
    'a socket in a missing directory is': 'ENOENT',
    'a path of over 108 bytes is': 'EINVAL',
    'mkdir keeps the sticky bit': false,
    'hrtime counts from the start of the process': true,
  })
})

test('Bun behaves as the local engine expects, apart from known differences', { skip: skipBun }, async () => {
  assert.deepEqual(await askFor(BUN), {
    ...IN_ALL,
    'a full backlog is': 'ECONNREFUSED',
    'a socket in a missing directory is': 'ENOENT',
    'a path of over 108 bytes is': 'EINVAL',
    'mkdir keeps the sticky bit': true,
    'hrtime counts from the start of the process': true,
  })
})

async function askFor({ command, env }: Runtime): Promise<unknown> {
  const directory = mkdtempSync(join(tmpdir(), 'slocket-facts-'))
  try {
    const [program, ...parameters] = [...command, FACTS, directory]
    const { stdout } = await promisify(execFile)(program, parameters, { env: { ...process.env, ...env } })
    return JSON.parse(stdout)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
