// The directory of named locks: where it is, and what keeps it from being used.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { isSlocketError, LockManager } from '../../src/index.ts'
import { defaultRoot } from '../../src/engines/local/names/default-root.ts'
import { openNames } from '../../src/engines/local/names/index.ts'
import { reasonNotRoot } from '../helpers/privileges.ts'
import { until } from '../helpers/until.ts'
import { exceptOnWindows } from '../helpers/windows.ts'

const NOBODY = 65_534
const INDEX = new URL('../../src/index.js', import.meta.url).href
/** A client that dies while it holds two locks. */
const DYING = `
  import { LockManager } from ${JSON.stringify(INDEX)}
  const locks = new LockManager({ root: process.argv[1] })
  const wait = () => new Promise(() => {})
  locks.request('first', wait)
  locks.request('second', () => process.kill(process.pid, 'SIGKILL'))
  setInterval(() => {}, 1000)`
const uid = process.getuid!()

let directory: string
const VARIABLES = ['XDG_RUNTIME_DIR', 'TMPDIR'] as const
let before: readonly (string | undefined)[]

beforeEach(() => {
  before = VARIABLES.map((name) => process.env[name])
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-web-'))
  process.env['XDG_RUNTIME_DIR'] = path.join(directory, 'run')
  process.env['TMPDIR'] = path.join(directory, 'tmp')
  for (const name of ['run', 'tmp', 'elsewhere']) fs.mkdirSync(path.join(directory, name), 0o700)
})
afterEach(() => {
  for (const [index, name] of VARIABLES.entries()) {
    if (before[index] === undefined) delete process.env[name]
    else process.env[name] = before[index]
  }
  fs.rmSync(directory, { recursive: true, force: true })
})

async function assertSecurityError(locks: LockManager, code: string): Promise<void> {
  const options = [{}, { ifAvailable: true }, { steal: true }]
  const acts = options.map((one) => () => locks.request('name', one, () => assert.fail('called')))
  for (const act of [...acts, () => locks.query()]) {
    await assert.rejects(act, (error) => {
      assert.ok(error instanceof DOMException)
      assert.equal(error.name, 'SecurityError')
      return isSlocketError(error.cause) && error.cause.code === code
    })
  }
}

describe('the default root', () => {
  const inRun = (): string => path.join(directory, 'run', 'slocket')
  const inTmp = (): string => path.join(directory, 'tmp', `slocket-${uid}`)

  test('is in XDG_RUNTIME_DIR, and private', async () => {
    assert.equal(defaultRoot(), inRun())
    assert.equal(fs.statSync(inRun()).mode & 0o7777, 0o700)
    assert.equal(await new LockManager().request('name', () => 1), 1)
    assert.equal(defaultRoot(), inRun())
  })

  test('is with the temporary files if that is missing, relative, not a directory, or a link', () => {
    const wrong = [
      undefined,
      '',
      'run',
      path.join(directory, 'none'),
      path.join(directory, 'file'),
      path.join(directory, 'link'),
    ]
    fs.writeFileSync(path.join(directory, 'file'), '')
    fs.symlinkSync(path.join(directory, 'elsewhere'), path.join(directory, 'link'))
    for (const value of wrong) {
      if (value === undefined) delete process.env['XDG_RUNTIME_DIR']
      else process.env['XDG_RUNTIME_DIR'] = value
      assert.equal(defaultRoot(), inTmp(), value)
    }
    assert.equal(fs.statSync(inTmp()).mode & 0o7777, 0o700)
    assert.deepEqual(fs.readdirSync(path.join(directory, 'elsewhere')), [])
  })

  test("is with the temporary files if that is another user's", { skip: reasonNotRoot() }, () => {
    fs.chownSync(path.join(directory, 'run'), NOBODY, NOBODY)
    assert.equal(defaultRoot(), inTmp())
  })

  const INTRUDERS: readonly (readonly [string, (at: string) => void, string | false])[] = [
    ['a link to a directory', (at) => fs.symlinkSync(path.join(directory, 'elsewhere'), at), false],
    ['a link that leads nowhere', (at) => fs.symlinkSync(path.join(directory, 'none'), at), false],
    ['a file', (at) => fs.writeFileSync(at, ''), false],
    ['a directory in which its group can write', (at) => makeDirectory(at, 0o770), false],
    ['a directory in which all can write', (at) => makeDirectory(at, 0o1707), false],
    ['another user’s directory', (at) => fs.chownSync(makeDirectory(at, 0o700), NOBODY, NOBODY), reasonNotRoot()],
  ]
  for (const [what, intrude, skip] of INTRUDERS) {
    test(`${what} in its place is a SecurityError, and nothing is created in it or behind it`, { skip }, async () => {
      intrude(inRun())
      assert.throws(defaultRoot, (error) => isSlocketError(error, 'ERR_SLOCKET_PERMISSION'))
      await assertSecurityError(new LockManager(), 'ERR_SLOCKET_PERMISSION')
      assert.deepEqual(fs.readdirSync(path.join(directory, 'elsewhere')), [])
      assert.equal(fs.existsSync(path.join(directory, 'none')), false)
      assert.deepEqual(fs.readdirSync(path.join(directory, 'tmp')), [])
      if (fs.lstatSync(inRun()).isDirectory()) assert.deepEqual(fs.readdirSync(inRun()), [])
    })
  }
})

test('a root that is not a directory is a SecurityError at once', async () => {
  const file = path.join(directory, 'file')
  fs.writeFileSync(file, '')
  await assertSecurityError(new LockManager({ root: file }), 'ERR_SLOCKET_NOT_A_LOCK')
})

test('any other unusable root is a SecurityError, for a query like for a request', async () => {
  const file = path.join(directory, 'file')
  const link = path.join(directory, 'link')
  fs.writeFileSync(file, '')
  const inNothing = new LockManager({ root: path.join(directory, 'none', 'root') })
  await assertSecurityError(inNothing, 'ERR_SLOCKET_NO_PARENT')
  await assertSecurityError(new LockManager({ root: path.join(file, 'root') }), 'ERR_SLOCKET_NO_PARENT')
  const tooLong = new LockManager({ root: path.join(directory, 'x'.repeat(256)) })
  await assertSecurityError(tooLong, 'ERR_SLOCKET_PATH_TOO_LONG')
  fs.symlinkSync('nowhere', link)
  await assertSecurityError(new LockManager({ root: link }), 'ERR_SLOCKET_NOT_A_LOCK')
})

test(
  'a root without write permission is a SecurityError, for a query like for a request',
  { skip: reasonNotRoot() },
  () => {
    const root = path.join(directory, 'root')
    fs.mkdirSync(root, 0o755)
    fs.chmodSync(directory, 0o755)
    const code = `
    import { LockManager } from ${JSON.stringify(INDEX)}
    const tell = (error) => console.log(error.name, error.cause?.code)
    for (const root of ${JSON.stringify([root, path.join(root, 'new')])}) {
      const locks = new LockManager({ root })
      await locks.request('name', () => {}).catch(tell)
      await locks.query().catch(tell)
    }`
    const parameters = ['--input-type=module', '-e', code]
    const { stdout, stderr } = spawnSync(process.execPath, parameters, { uid: NOBODY, gid: NOBODY, encoding: 'utf8' })
    assert.equal(stdout, 'SecurityError ERR_SLOCKET_PERMISSION\n'.repeat(4), stderr)
  },
)

test('a query of a missing root shows nothing, and creates nothing', async () => {
  const root = path.join(directory, 'root')
  assert.deepEqual(await new LockManager({ root }).query(), { held: [], pending: [] })
  assert.equal(fs.existsSync(root), false)
})

describe('if the file system', () => {
  const refused = (): never => {
    throw Object.assign(new Error('EPERM: operation not permitted'), { code: 'EPERM' })
  }
  const { linkSync, symlinkSync } = fs
  afterEach(() => Object.assign(fs, { linkSync, symlinkSync }))

  test('has no hard links, named locks still work, and can be stolen', async () => {
    fs.linkSync = refused
    const locks = new LockManager({ root: path.join(directory, 'root') })
    const victim = locks.request('name', () => new Promise(() => {}))
    const waiting = locks.request('name', (lock) => lock?.name)
    await locks.query()
    const theft = locks.request('name', { steal: true }, () => 'loot')
    await assert.rejects(victim, { name: 'AbortError' })
    assert.deepEqual(await Promise.all([theft, waiting]), ['loot', 'name'])
  })

  test('has hard links to sockets that do not work, named locks still work, and can be stolen', async (context) => {
    context.mock.method(fs, 'statfsSync', () => ({ type: 0x12345678 }))
    const made: string[] = []
    fs.linkSync = (from, to) => {
      made.push(String(to))
      // A socket that nobody listens on.
      const server = net.createServer().listen({ path: path.join(directory, 'dead'), exclusive: true })
      fs.renameSync(path.join(directory, 'dead'), to)
      server.close()
      assert.ok(fs.lstatSync(from).isSocket())
    }
    const locks = new LockManager({ root: path.join(directory, 'root') })
    const victim = locks.request('name', () => new Promise(() => {}))
    const waiting = locks.request('name', (lock) => lock?.name)
    await locks.query()
    const theft = locks.request('name', { steal: true }, () => 'loot')
    await assert.rejects(victim, { name: 'AbortError' })
    assert.deepEqual(await Promise.all([theft, waiting]), ['loot', 'name'])
    assert.equal(made.length, 1, 'a link is tried once, and then never made')
  })

  test('has neither hard nor symbolic links, that is a SecurityError, not an endless wait', async () => {
    const root = path.join(directory, 'root')
    const locks = new LockManager({ root })
    fs.linkSync = refused
    fs.symlinkSync = refused
    for (const options of [{}, { ifAvailable: true }, { steal: true }, { mode: 'shared' }] as const) {
      await assert.rejects(
        locks.request('name', options, () => assert.fail('called')),
        (error: DOMException) =>
          isSlocketError(error.cause, 'ERR_SLOCKET_NO_SOCKETS') && error.name === 'SecurityError',
      )
    }
    assert.deepEqual(await locks.query(), { held: [], pending: [] })
  })
})

test('a root that is removed loses all its locks; waiters and newcomers get theirs in a new one', async () => {
  const root = path.join(directory, 'root')
  const locks = new LockManager({ root })
  const alsoHeld = ['one', 'two'].map((name) => locks.request(name, () => new Promise(() => {})))
  const held = locks.request('name', () => new Promise(() => {}))
  for (const request of [held, ...alsoHeld]) request.catch(() => {})
  const waiting = locks.request('name', (lock) => lock?.name)
  await locks.query()
  fs.rmSync(root, { recursive: true })
  await assert.rejects(held, { name: 'AbortError' })
  assert.equal(await waiting, 'name')
  for (const request of alsoHeld) await assert.rejects(request, { name: 'AbortError' })
  assert.equal(await locks.request('name', () => 'new'), 'new')
})

test('a file that replaces the root is a SecurityError for waiters, requests and a query', async () => {
  const root = path.join(directory, 'root')
  const locks = new LockManager({ root })
  const held = locks.request('name', () => new Promise(() => {}))
  held.catch(() => {})
  const waiting = locks.request('name', () => assert.fail('called'))
  waiting.catch(() => {})
  await locks.query()
  fs.rmSync(root, { recursive: true })
  fs.writeFileSync(root, '')
  await assertSecurityError(locks, 'ERR_SLOCKET_NOT_A_LOCK')
  await assert.rejects(openNames(root).query('name'), (error) => isSlocketError(error, 'ERR_SLOCKET_NOT_A_LOCK'))
  await assert.rejects(held, { name: 'AbortError' })
  await assert.rejects(waiting, (error: DOMException) => isSlocketError(error.cause, 'ERR_SLOCKET_NOT_A_LOCK'))
  assert.equal(fs.readFileSync(root, 'utf8'), '')
  fs.unlinkSync(root)
  assert.equal(await locks.request('name', () => 'new'), 'new')
})

function makeDirectory(at: string, mode: number): string {
  fs.mkdirSync(at)
  fs.chmodSync(at, mode)
  return at
}

describe('what else is in a root', () => {
  const inRoot = (...names: string[]): string => path.join(directory, 'root', ...names)
  const onlyOnUnix = { skip: exceptOnWindows('there, tickets are not links') }

  async function assertRefused(name: string): Promise<void> {
    const locks = new LockManager({ root: inRoot() })
    await assert.rejects(
      () => locks.request(name, () => assert.fail('called')),
      ({ cause }: Error) => isSlocketError(cause, 'ERR_SLOCKET_NOT_A_LOCK'),
    )
  }

  test('stays when what a dead client has left is removed', onlyOnUnix, async () => {
    const others = ['.hidden', 'Empty Directory', 'empty']
    for (const name of others) fs.mkdirSync(inRoot(name), { recursive: true })
    const locks = new LockManager({ root: inRoot() })
    const dead = spawnSync(process.execPath, ['--input-type=module', '-e', DYING, inRoot()], { encoding: 'utf8' })
    assert.equal(dead.signal, 'SIGKILL', dead.stderr)
    assert.equal(fs.readdirSync(inRoot()).length, others.length + 3)
    await locks.request('first', () => {})
    await until('the other lock of the dead client is removed', () => !fs.existsSync(inRoot('second')))
    // It is in use, and so it is to stay, too.
    await locks.request('empty', () => assert.equal(fs.readdirSync(inRoot('empty')).length, 2))
    await until('everything else is removed', () => fs.readdirSync(inRoot()).length === others.length)
    assert.deepEqual(fs.readdirSync(inRoot()).sort(), others)
  })

  test('a directory with other content, or a link, is no place for a lock', onlyOnUnix, async () => {
    fs.mkdirSync(inRoot('files'), { recursive: true })
    fs.writeFileSync(inRoot('files', 'file'), '')
    fs.symlinkSync(path.join(directory, 'elsewhere'), inRoot('link'))
    fs.symlinkSync('.members', inRoot('members'))
    fs.mkdirSync(inRoot('tmp'))
    fs.chmodSync(inRoot('tmp'), 0o1777)
    fs.writeFileSync(inRoot('tmp', 'file'), '')
    for (const name of ['files', 'tmp', 'link', 'members']) await assertRefused(name)
    const locks = new LockManager({ root: inRoot() })
    await locks.request('used', () => {})
    await locks.request('used', () => {})
    fs.rmdirSync(inRoot('used'))
    fs.symlinkSync(path.join(directory, 'elsewhere'), inRoot('used'))
    await assert.rejects(
      () => locks.request('used', () => {}),
      ({ cause }: Error) => isSlocketError(cause, 'ERR_SLOCKET_NOT_A_LOCK'),
    )
    assert.deepEqual(await locks.query(), { held: [], pending: [] })
    assert.deepEqual(fs.readdirSync(inRoot('files')), ['file'])
    assert.deepEqual(fs.readdirSync(path.join(directory, 'elsewhere')), [])
  })

  test('a directory that another process uses as a lock is one, whoever made it', onlyOnUnix, async () => {
    fs.mkdirSync(inRoot('name'), { recursive: true })
    const code = `
      import { LockManager } from ${JSON.stringify(INDEX)}
      const locks = new LockManager({ root: process.argv[1] })
      await locks.request('name', { ifAvailable: true }, (lock) => console.log(lock))`
    const parameters = ['--input-type=module', '-e', code, inRoot()]
    await new LockManager({ root: inRoot() }).request('name', () => {
      const { stdout, stderr } = spawnSync(process.execPath, parameters, { encoding: 'utf8' })
      assert.deepEqual([stdout, stderr], ['null\n', ''])
    })
    await until('only that directory is left', () => fs.readdirSync(inRoot()).join() === 'name')
    assert.deepEqual(fs.readdirSync(inRoot('name')), [])
  })

  test("a directory that this user can't read is ignored", { skip: reasonNotRoot() }, async () => {
    fs.mkdirSync(inRoot('private'), { recursive: true })
    fs.chmodSync(inRoot('private'), 0o700)
    fs.chmodSync(directory, 0o755)
    fs.chownSync(inRoot(), NOBODY, NOBODY)
    const asNobody = { uid: NOBODY, gid: NOBODY, encoding: 'utf8' } as const
    const dead = spawnSync(process.execPath, ['--input-type=module', '-e', DYING, inRoot()], asNobody)
    assert.equal(dead.signal, 'SIGKILL', dead.stderr)
    const code = `
      import { LockManager } from ${JSON.stringify(INDEX)}
      const locks = new LockManager({ root: process.argv[1] })
      await locks.request('first', async () => console.log((await locks.query()).held.length))
      await new Promise((resolve) => setTimeout(resolve, 1500))`
    const next = spawnSync(process.execPath, ['--input-type=module', '-e', code, inRoot()], asNobody)
    assert.deepEqual([next.stdout, next.stderr], ['1\n', ''])
    assert.deepEqual(fs.readdirSync(inRoot()), ['private'])
  })
})
