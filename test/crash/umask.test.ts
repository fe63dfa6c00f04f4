/** A umask that takes permissions from the owner of what is made. Root has all permissions anyway, so another user makes the locks. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { Program } from '../helpers/program.ts'
import { NO_ACCESS } from '../helpers/windows.ts'

const options = { skip: NO_ACCESS }
const UMASKS = ['0177', '0277', '0477', '0777']
const ACCESSES = [undefined, 'user', 'all']

let parent: string
beforeEach(() => {
  parent = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-umask-'))
  fs.chmodSync(parent, 0o777)
})
afterEach(() => fs.rmSync(parent, { recursive: true, force: true }))

/** Runs the program as a user that isn't root, and returns the values that it says. */
async function run(body: string): Promise<readonly unknown[]> {
  const demote = 'if (process.getuid() === 0) { process.setgid(65534); process.setuid(65534) }\n'
  const { said, stderr } = await new Program(path.join(parent, 'lock'), demote + body).ended()
  assert.equal(stderr, '')
  return said
}

for (const umask of UMASKS) {
  for (const access of ACCESSES) {
    test(`with the umask ${umask} and access ${access}, its owner can use a lock`, options, async () => {
      const asked = JSON.stringify({ access, linger: 0 })
      const said = await run(`
        process.umask(${Number.parseInt(umask, 8)})
        const lock = await slocket(lockPath, ${asked})
        say((fs.statSync(lockPath).mode & 0o700).toString(8))
        say(isFree(lockPath))
        await lock.release()
        const root = lockPath + '-root'
        say(await new LockManager({ root, access: ${JSON.stringify(access)} }).request('name', () => 'granted'))
        say(fs.existsSync(lockPath))`)
      assert.deepEqual(said, ['700', false, 'granted', false])
    })
  }
}

for (const umask of UMASKS) {
  test(
    `an empty directory that a process with the umask ${umask} left when it was killed is replaced`,
    options,
    async () => {
      const said = await run(`
      fs.mkdirSync(lockPath)
      fs.chmodSync(lockPath, 0o1775 & ~0o${umask.slice(1)})
      await (await slocket(lockPath, { linger: 0 })).release()
      say(fs.existsSync(lockPath))`)
      assert.deepEqual(said, [false])
    },
  )
}
