// Test frameworks replace clocks, timers and ticks for a while. What is asked meanwhile is granted, and all is well afterwards.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { programPath } from '../helpers/built.ts'
import { scenario } from '../helpers/scenario.ts'
import type { Scene } from '../helpers/scenario.ts'
import { DEADLINE_MS, within } from '../helpers/until.ts'

const FIXTURE = programPath('test/fixtures/faked-time.js')

interface Program {
  /** The next line that it says. */
  next(): Promise<string>
}

function start(scene: Scene, framework: string, goFile: string): Program {
  const child = spawn(process.execPath, [FIXTURE, framework, scene.directory, goFile], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_DEBUG: '' },
  })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  scene.onEnd(() => void child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    async next() {
      const said = await within(lines.next(), () => new Error(`it says nothing for ${DEADLINE_MS} ms\n${stderr}`))
      assert.ok(said.done !== true, `it ended\n${stderr}`)
      return said.value
    },
  }
}

for (const framework of ['sinon', 'sinon with ticks and microtasks', 'node:test', 'a nextTick that is dropped']) {
  for (const end of ['releases', 'is killed'] as const) {
    scenario(
      `with faked clocks and ticks (${framework}), a waiter gets the lock when the holder ${end}`,
      async (scene) => {
        const [holder, other] = await scene.spawnAll('holder', 'other')
        await holder.acquire(join(scene.directory, 'taken'))
        await other.acquire(join(scene.directory, 'taken-for-long'))
        const goFile = join(scene.directory, 'go')
        const program = start(scene, framework, goFile)
        assert.equal(await program.next(), 'faked')
        if (end === 'releases') await holder.release()
        else await holder.kill()
        fs.writeFileSync(goFile, '')
        const outcomes = JSON.parse(await program.next()) as Record<string, string>
        assert.equal(Object.keys(outcomes).length, 17)
        for (const [what, outcome] of Object.entries(outcomes)) {
          const expected = what.endsWith('with a timeout') ? 'ERR_SLOCKET_TIMEOUT' : 'granted'
          assert.equal(outcome, expected, `${what}; all: ${JSON.stringify(outcomes)}`)
        }
        await other.release()
      },
    )
  }
}
