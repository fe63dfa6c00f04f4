/** Between bind(2) and listen(2) a live socket refuses connections, as a dead one does. The window is opened wide by strace(1). */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { RootDirectory } from '../../src/engines/local/names/name-directory.ts'
import { collectOf } from '../../src/engines/local/names/remove-from-root.ts'
import { SocketAddresses } from '../../src/engines/local/platform/socket-addresses.ts'
import { askMember } from '../../src/engines/local/members/remove-stale.ts'
import { reasonWithout } from '../helpers/privileges.ts'
import { pass, until } from '../helpers/until.ts'

const DELAYED = ['-qq', '-f', '-o', '/dev/null', '-e', 'trace=listen', '-e', 'inject=listen:delay_enter=2000000']
const skip = reasonWithout('strace', '-f', '-e', 'trace=listen', '-e', 'inject=listen:delay_enter=1', 'true')

const HOLD = `
  import { LockManager } from '${new URL('../../src/index.js', import.meta.url).href}'
  new LockManager({ root: process.argv[1] }).request('name', () => {
    process.stdout.write(process.pid + ' ')
    return new Promise(() => {})
  })
  setInterval(() => {}, 1000)`

test(
  'a process that is asked between bind and listen, and holds when the refusal is noticed, is not taken for dead',
  {
    skip,
  },
  async () => {
    const root = fs.mkdtempSync(join(os.tmpdir(), 'slocket-window-'))
    const slow = spawn('strace', [...DELAYED, process.execPath, '--input-type=module', '-e', HOLD, root], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const directory = new RootDirectory(root, () => {})
    const addresses = new SocketAddresses(root)
    let pid: number | undefined
    try {
      const ask = (file: string): Promise<void> =>
        new Promise((resolve) => {
          const collect = (member: { file: string; inode: number }): (() => void) =>
            collectOf(directory, member.file, member.inode)
          askMember(directory, addresses, file, { collect, onAsked: () => resolve() })
        })
      const [file] = await until('its socket is bound', () => {
        const files = directory.memberNames()
        return files.length === 1 && files
      })
      const names = (): string[] => fs.readdirSync(join(root, 'name'))
      const refused = ask(file!)
      // It is refused by now, and that is noticed when this thread continues.
      while (!fs.existsSync(join(root, 'name')) || !names().some((name) => name.endsWith('-h'))) {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
      }
      const before = names()
      const [said] = (await once(slow.stdout, 'data')) as [Buffer]
      pid = Number(said)
      // Nothing is reported about a member that answers the second time.
      await Promise.race([refused, pass(500)])
      assert.deepEqual(names(), before)

      process.kill(pid, 'SIGKILL')
      await once(slow, 'exit')
      pid = undefined
      await ask(file!)
      assert.equal(fs.existsSync(join(root, 'name')), false)
      assert.deepEqual(directory.memberNames(), [])
    } finally {
      if (pid !== undefined) process.kill(pid, 'SIGKILL')
      slow.kill('SIGKILL')
      addresses.close()
      fs.rmSync(root, { recursive: true, force: true })
    }
  },
)
