/** The imitation of macOS does what it says, and what the local engine is built on there works in it. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { buildImitation, PRELOAD } from './imitation.ts'

const HELD_FILE = new URL('../../src/engines/local/platform/held-file.js', import.meta.url).href
const OPEN_DIRECTORY = new URL('../../src/engines/local/platform/open-directory.js', import.meta.url).href
const FILE_SYSTEM = new URL('../../src/engines/local/platform/file-system.js', import.meta.url).href
const KERNEL = new URL('../../src/engines/local/platform/kernel.js', import.meta.url).href
const SLOCKET = new URL('../../src/index.js', import.meta.url).href
/** How many connections wait for a listener on macOS that accepts none. */
const SOMAXCONN = 128

const imitation = buildImitation()
const skip = 'missing' in imitation ? imitation.missing : false

describe('the imitation of macOS', { skip }, () => {
  let directory: string
  beforeEach(() => void (directory = mkdtempSync(join(tmpdir(), 'slocket-darwin-'))))
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  test('reports macOS, without /proc', () => {
    assert.deepEqual(
      run(`say([process.platform, fs.existsSync('/proc/self/fd'), codeOf(() => fs.readdirSync('/proc/self/fd'))])`),
      ['darwin', false, 'ENOENT'],
    )
  })

  test('locks a file that is opened with O_EXLOCK, against opens with either flag, until it is closed', () => {
    const open = `const open = (flags) => fs.openSync('file', fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_NONBLOCK | flags)`
    assert.deepEqual(
      run(`${open}
        const exclusive = open(0x20)
        const refused = [codeOf(() => open(0x20)), codeOf(() => open(0x10)), codeOf(() => open(0))]
        fs.closeSync(exclusive)
        const shared = [open(0x10), open(0x10)].length
        say([...refused, shared, codeOf(() => open(0x20))])`),
      ['EAGAIN', 'EAGAIN', null, 2, 'EAGAIN'],
    )
  })

  test('refuses a connection to a listener with a full backlog, and an address of more than 103 bytes', () => {
    const said = run(`
      const outcome = (path) => new Promise((resolve) => {
        const socket = net.connect(path, () => resolve(undefined))
        socket.once('error', ({ code }) => resolve(code))
      })
      const listening = (path) => new Promise((resolve) => {
        const server = net.createServer().listen({ path, exclusive: true, backlog: 65535 }, () => resolve(undefined))
        server.once('error', ({ code }) => resolve(code))
      })
      const [fits, long] = [103, 104].map((length) => process.cwd() + '/' + 'x'.repeat(length - process.cwd().length - 1))
      const bound = [await listening(fits), await listening(long)]
      const { spawn } = await import('node:child_process')
      const { once } = await import('node:events')
      // Its event loop stands still as soon as it listens.
      const program = "require('net').createServer().listen({ path: 's', backlog: 65535 }, () => { fs.writeSync(1, 'up'); for (;;); })"
      const deaf = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
      await once(deaf.stdout, 'data')
      let connected = 0
      let code
      while (connected < 1000 && (code = await outcome('s')) === undefined) connected += 1
      deaf.kill('SIGKILL')
      say([bound, connected, code])
      process.exit()`)
    assert.deepEqual(said, [[null, 'EINVAL'], SOMAXCONN + 1, 'ECONNREFUSED'])
  })

  test("creates no directory with a sticky bit in one step; a lock's directory still has it", () => {
    const said = run(`
      fs.mkdirSync('plain', 0o1777)
      const { default: slocket } = await import(${JSON.stringify(SLOCKET)})
      const lock = await slocket('lock', { linger: 0 })
      const isSticky = (path) => (fs.statSync(path).mode & 0o1000) !== 0
      say([isSticky('plain'), isSticky('lock'), isSticky('lock/.members')])
      await lock.release()`)
    assert.deepEqual(said, [false, true, true])
    assert.deepEqual(readdirSync(directory), ['plain'])
  })

  test('a held file is alive by each of its names, dead once it is closed, and gone without its name', () => {
    const said = run(`
      const { holdFile, lookAtFile } = await import(${JSON.stringify(HELD_FILE)})
      const { openDirectory } = await import(${JSON.stringify(OPEN_DIRECTORY)})
      const held = holdFile(openDirectory('.'), 'file')
      const names = fs.readdirSync('.')
      fs.linkSync('file', 'ticket')
      const alive = [lookAtFile('file'), lookAtFile('ticket')]
      fs.unlinkSync('file')
      const left = [lookAtFile('file'), lookAtFile('ticket')]
      held.close()
      held.close()
      say([names, alive, left, lookAtFile('ticket')])`)
    assert.deepEqual(said, [['file'], ['alive', 'alive'], ['gone', 'alive'], 'dead'])
  })

  test('a held file can be read by users that can make files beside it, and by nobody else', () => {
    const said = run(`
      const { holdFile } = await import(${JSON.stringify(HELD_FILE)})
      const { openDirectory } = await import(${JSON.stringify(OPEN_DIRECTORY)})
      process.umask(0o077)
      const modes = [0o755, 0o775, 0o777].map((mode) => {
        fs.chmodSync('.', mode)
        const name = mode.toString(8)
        holdFile(openDirectory('.'), name)
        return (fs.statSync(name).mode & 0o777).toString(8)
      })
      say(modes)`)
    assert.deepEqual(said, ['600', '640', '644'])
  })

  test('two processes that check a dead file at the same time both find it dead', () => {
    const said = run(`
      const { lookAtFile } = await import(${JSON.stringify(HELD_FILE)})
      fs.writeFileSync('file', '')
      // As if another process had been stopped in the middle of its look.
      fs.openSync('file', fs.constants.O_RDONLY | 0x10)
      say(lookAtFile('file'))`)
    assert.equal(said, 'dead')
  })

  test('a file that is removed and closed during the check counts as gone, not as dead', () => {
    const said = run(`
      const { lookAtFile } = await import(${JSON.stringify(HELD_FILE)})
      const held = fs.openSync('file', fs.constants.O_CREAT | fs.constants.O_RDWR | fs.constants.O_NONBLOCK | 0x20)
      const { openSync } = fs
      fs.openSync = (path, flags, mode) => {
        // Between the two halves of the open: the file is found, and then it is locked.
        const descriptor = openSync(path, flags & ~0x10, mode)
        fs.unlinkSync('file')
        fs.closeSync(held)
        return descriptor
      }
      say(lookAtFile('file'))`)
    assert.equal(said, 'gone')
  })

  test("a member's file that is checked before it is locked is given up, and a lock is still granted", () => {
    const said = run(`
      const { openSync } = fs
      let looks = 0
      fs.openSync = (path, flags, mode) => {
        if ((flags & 0x20) === 0 || looks > 0) return openSync(path, flags, mode)
        looks += 1
        fs.writeFileSync(path, '')
        openSync(path, fs.constants.O_RDONLY | 0x10)
        return openSync(path, flags & ~fs.constants.O_EXCL, mode)
      }
      const { default: slocket } = await import(${JSON.stringify(SLOCKET)})
      const lock = await slocket('lock', { linger: 0 })
      const members = fs.readdirSync('lock/.members').length
      await lock.release()
      say([looks, members, fs.existsSync('lock')])`)
    assert.deepEqual(said, [1, 2, false])
  })

  test("a file with a ticket's name and content is not a ticket", () => {
    const said = run(`
      const { default: slocket } = await import(${JSON.stringify(SLOCKET)})
      const lock = await slocket('lock', { linger: 0 })
      const [name] = fs.readdirSync('lock').filter((entry) => entry.startsWith('2-'))
      const foreign = 'lock/' + name.replace(/^2-\\d{19}/, '2-0000000000000000001')
      fs.writeFileSync(foreign, 'content')
      await lock.release()
      const refused = await slocket('lock').catch(({ code }) => code)
      say([refused, fs.readFileSync(foreign, 'utf8')])`)
    assert.deepEqual(said, ['ERR_SLOCKET_NOT_A_LOCK', 'content'])
  })

  test('file systems are recognized by the mount table, and the time of boot by the first process', () => {
    const said = run(`
      const { localFileSystem } = await import(${JSON.stringify(FILE_SYSTEM)})
      const { nextToken } = await import(${JSON.stringify(KERNEL)})
      say([localFileSystem('.').isNetwork, String(nextToken() - process.hrtime.bigint() > 10n ** 18n)])`)
    assert.deepEqual(said, [false, 'true'])
  })

  /** Runs a program in `directory`, and returns what it says. */
  function run(program: string): unknown {
    assert.ok('library' in imitation)
    const code = `
      import fs from 'node:fs'
      import net from 'node:net'
      const say = (value) => fs.writeSync(1, JSON.stringify(value))
      const codeOf = (step) => {
        try {
          step()
        } catch ({ code }) {
          return code
        }
      }
      ${program}`
    const { stdout, stderr } = spawnSync(process.execPath, ['--import', PRELOAD, '--input-type=module', '-e', code], {
      cwd: directory,
      encoding: 'utf8',
      env: { ...process.env, LD_PRELOAD: imitation.library },
      timeout: 30_000,
      killSignal: 'SIGKILL',
    })
    assert.equal(stderr, '')
    return JSON.parse(stdout)
  }
})
