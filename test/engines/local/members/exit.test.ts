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

for (const call of [
  `slocket.sync(path, { linger: 0 }).release()`,
  `lockfileSync(path)()`,
  `void (lockfile.lockSync(path), lockfile.unlockSync(path))`,
]) {
  test(`a process ends although a listener for beforeExit calls ${call}`, () => {
    const path_ = path.join(parent, 'before-exit')
    const stdout = run(`
      import { lockSync as lockfileSync } from ${JSON.stringify(new URL('../../../../src/compat/proper-lockfile.js', import.meta.url).href)}
      import lockfile from ${JSON.stringify(new URL('../../../../src/compat/lockfile.js', import.meta.url).href)}
      import fs from 'node:fs'
      const path = ${JSON.stringify(path_)}
      fs.writeFileSync(path + '.file', '')
      let times = 0
      process.on('beforeExit', () => {
        if ((times += 1) > 20) process.exit(1)
        ${call.replace('lockfileSync(path)', "lockfileSync(path + '.file')")}
      })
      process.on('exit', () => console.log(times))`)
    assert.ok(Number(stdout) <= 2, stdout)
    assert.deepEqual(
      fs.readdirSync(parent).filter((name) => name.startsWith('before-exit')),
      ['before-exit.file'],
    )
  })
}

test('a socket is closed at once in each later turn of the event loop', () => {
  const lockPath = path.join(parent, 'later')
  const stdout = run(`
    let times = 0
    process.on('beforeExit', () => {
      if ((times += 1) > 3) return
      slocket.sync(${JSON.stringify(lockPath)}, { linger: 0 }).release()
      setTimeout(() => {
        slocket.sync(${JSON.stringify(lockPath)}, { linger: 0 }).release()
        setImmediate(() => console.log(process.getActiveResourcesInfo().filter((name) => name === 'PipeServerWrap').length))
      }, 10)
    })`)
  assert.equal(stdout, '0\n'.repeat(3))
})

function run(code: string): string {
  const program = `import { slocket } from ${JSON.stringify(INDEX)}\n${code}`
  const parameters = ['--input-type=module', '-e', program]
  const { status, stdout, stderr } = spawnSync(process.execPath, parameters, { encoding: 'utf8' })
  assert.ok(status === 0 || status === 7, stderr)
  return stdout
}
