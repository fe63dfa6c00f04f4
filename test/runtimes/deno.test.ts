/** Deno beside Node, and Deno without all its rights. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { promisify } from 'node:util'
import { DENO, skipDeno } from '../helpers/runtime.ts'
import { testBesideNode } from './beside-node.ts'

testBesideNode({ name: 'Deno', runtime: DENO, skip: skipDeno })

test(
  'without permission to read /proc, Deno gets an error before anything is created',
  { skip: skipDeno },
  async () => {
    const directory = fs.mkdtempSync(join(tmpdir(), 'slocket-deno-'))
    try {
      const program = join(directory, 'program.mjs')
      const slocketUrl = new URL('../../src/index.js', import.meta.url).href
      fs.writeFileSync(
        program,
        `import slocket from ${JSON.stringify(slocketUrl)}
       const path = ${JSON.stringify(join(directory, 'lock'))}
       for (const act of [() => slocket(path), () => slocket.try(path), () => slocket.query(path)])
         console.log(await act().catch((error) => error.code))`,
      )
      const [deno] = DENO.command
      const rights = ['--allow-read', '--allow-write', '--allow-env', '--allow-sys', '--allow-net', '--no-prompt']
      const env = { ...process.env, ...DENO.env }
      const { stdout } = await promisify(execFile)(deno, ['run', ...rights, program], { env })
      assert.equal(stdout, 'ERR_SLOCKET_UNSUPPORTED_PLATFORM\n'.repeat(3))
      assert.deepEqual(fs.readdirSync(directory), ['program.mjs'])
    } finally {
      fs.rmSync(directory, { recursive: true })
    }
  },
)
