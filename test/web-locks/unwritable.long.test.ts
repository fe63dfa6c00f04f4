// A directory that can be written in no more while a lock in it is held: what cannot be taken out of the queue goes with its socket.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { LockManager } from '../../src/index.ts'
import { reasonNotRoot } from '../helpers/privileges.ts'
import { failEvery, noPlan } from '../helpers/steps.ts'
import { betweenProcesses } from '../helpers/web-client.ts'

const NOBODY = 65_534
const STEPS = new URL('../fixtures/steps.js', import.meta.url).href

for (const code of ['EACCES', 'EROFS']) {
  betweenProcesses(`if nothing can be unlinked (${code}), the end of the process still frees a lock`, async (scene) => {
    const victim = await scene.start('process', STEPS)
    const other = await scene.start()
    await victim.hold('lock')
    await other.wait('lock')
    victim.send({ do: 'plan', plan: failEvery(scene.root, 'unlinkSync', code) })
    assert.equal(await victim.end('lock', 'done'), 'done')
    await other.next('called', 'lock')
    victim.send({ do: 'plan', plan: noPlan(scene.root) })
    await victim.wait('lock', {}, 'again')
    await other.end('lock')
    await victim.next('called', 'again')
    await victim.end('again')
  })
}

betweenProcesses(
  'if nothing can be unlinked while the process holds another lock, that is reported, and both go together',
  async (scene) => {
    const victim = await scene.start('process', STEPS)
    const other = await scene.start()
    await victim.hold('lock')
    await victim.hold('second')
    await other.wait('lock')
    victim.send({ do: 'plan', plan: failEvery(scene.root, 'unlinkSync', 'EROFS') }, { do: 'end', as: 'lock' })
    const { message } = await victim.next('rejected', 'lock')
    assert.match(message, /could not be released/)
    assert.equal(await other.isAvailable('second'), false)
    await victim.end('second')
    await other.next('called', 'lock')
    await other.end('lock')
  },
)

betweenProcesses(
  'if nothing can be unlinked for a while, a lock is free after that, although its process holds another one',
  async (scene) => {
    const victim = await scene.start('process', STEPS)
    const other = await scene.start()
    await victim.hold('lock')
    await victim.hold('second')
    await other.wait('lock')
    victim.send({ do: 'plan', plan: failEvery(scene.root, 'unlinkSync', 'EIO') }, { do: 'end', as: 'lock' })
    await victim.next('rejected', 'lock')
    victim.send({ do: 'plan', plan: noPlan(scene.root) })
    await other.next('called', 'lock')
    await other.end('lock')
    await victim.end('second')
  },
)

const whatNobodyDoes = (index: string, root: string): string => `
  import { LockManager } from ${JSON.stringify(index)}
  const locks = new LockManager({ root: ${JSON.stringify(root)} })
  const held = locks.request('name', () => new Promise((resolve) => {
    console.log('holds')
    process.stdin.once('data', resolve)
  }))
  await held.then(() => console.log('released'), (error) => console.log(error.name, error.cause?.message))
`

const SHUT = [['.'], ['name'], ['.', 'name'], ['.', 'name', '.members']]
for (const shut of reasonNotRoot() === false ? SHUT : []) {
  betweenProcesses(
    `a user that loses write permission in its directories (${shut.join(', ')}) can still free its lock`,
    async (scene, t) => {
      const { root } = scene
      fs.chmodSync(scene.directory, 0o755)
      fs.mkdirSync(root, 0o755)
      fs.chownSync(root, NOBODY, NOBODY)
      const index = new URL('../../src/index.js', import.meta.url).href
      const nobody = spawn(process.execPath, ['--input-type=module', '-e', whatNobodyDoes(index, root)], {
        uid: NOBODY,
        gid: NOBODY,
        stdio: ['pipe', 'pipe', 'inherit'],
      })
      t.after(() => nobody.kill('SIGKILL'))
      const lines = createInterface({ input: nobody.stdout })[Symbol.asyncIterator]()
      assert.equal((await lines.next()).value, 'holds')
      // Root may write everywhere.
      const locks = new LockManager({ root })
      const next = locks.request('name', () => 'next')
      await locks.query()
      for (const directory of shut.map((name) => path.join(root, name))) fs.chmodSync(directory, 0o555)
      nobody.stdin.write('end\n')
      assert.equal((await lines.next()).value, 'released')
      assert.equal(await next, 'next')
      // It has not ended meanwhile, and what it has left keeps nobody out.
      assert.deepEqual([nobody.exitCode, nobody.signalCode], [null, null])
      assert.equal(await locks.request('name', { ifAvailable: true }, (lock) => lock?.name), 'name')
    },
  )
}
