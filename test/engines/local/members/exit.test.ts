import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'

const INDEX = new URL('../../../../src/index.js', import.meta.url).href
const parent = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-exit-'))
after(() => fs.rmSync(parent, { recursive: true, force: true }))

test('a lock that an exit listener releases leaves nothing behind', () => {
  const lockPath = path.join(parent, 'released')
  run(`const lock = await slocket(${JSON.stringify(lockPath)})
    process.on('exit', () => lock.release())`)
  assert.equal(fs.existsSync(lockPath), false)
})

test('a process that exits before its first grant leaves only tickets that held', () => {
  for (let microtasks = 0; microtasks < 12; microtasks += 1) {
    const lockPath = path.join(parent, `exit-${microtasks}`)
    run(`slocket(${JSON.stringify(lockPath)}).then(() => process.exit(7))
      ${'await null;'.repeat(microtasks)}
      process.exit(0)`)
    const left = fs.existsSync(lockPath) ? fs.readdirSync(lockPath).filter((name) => name !== '.members') : []
    if (left.length === 0) assert.equal(fs.existsSync(lockPath), false, `after ${microtasks} microtasks`)
    else fs.rmSync(lockPath, { recursive: true })
  }
})

function run(code: string): void {
  const program = `import { slocket } from ${JSON.stringify(INDEX)}\n${code}`
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  assert.ok(status === 0 || status === 7, stderr)
}
