/** What is at the path of a lock and isn't one has a name, wherever somebody asks why the lock is not free. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import type { ObstacleKind } from '../../src/index.ts'
import { isSlocketError, slocket } from '../../src/index.ts'
import { runChild } from '../api/run-child.ts'
import { reasonNotRoot, runSystem } from '../helpers/privileges.ts'

let directory: string
let servers: net.Server[] = []
beforeEach(() => (directory = fs.mkdtempSync(join(tmpdir(), 'slocket-obstacles-'))))
afterEach(() => {
  for (const server of servers) server.close()
  servers = []
  fs.rmSync(directory, { recursive: true })
})

interface Thing {
  readonly name: string
  readonly kind: ObstacleKind
  readonly skip?: string | false
  /** Puts it at the path. */
  put(path: string): void | Promise<void>
}

const WAITED_FOR: readonly Thing[] = [
  { name: 'an empty file', kind: 'file', put: (path) => fs.writeFileSync(path, '') },
  { name: 'a file that runs', kind: 'file', put: (path) => fs.writeFileSync(path, '#!/bin/sh\n', { mode: 0o755 }) },
  { name: 'a socket that somebody listens on', kind: 'socket', put: async (path) => void (await listen(path)) },
  { name: 'a socket that nobody listens on', kind: 'dead-socket', put: leaveSocket },
]

const REFUSED: readonly Thing[] = [
  { name: 'a named pipe', kind: 'fifo', put: (path) => runSystem('mkfifo', path) },
  {
    name: 'a character device',
    kind: 'device',
    skip: reasonNotRoot(),
    put: (path) => runSystem('mknod', path, 'c', '1', '3'),
  },
  {
    name: 'a block device',
    kind: 'device',
    skip: reasonNotRoot(),
    put: (path) => runSystem('mknod', path, 'b', '7', '200'),
  },
  { name: 'a link to nothing', kind: 'link', put: (path) => fs.symlinkSync('nowhere', path) },
  { name: 'a link to itself', kind: 'link', put: (path) => fs.symlinkSync(path, path) },
  { name: 'a link to a directory', kind: 'link', put: (path) => fs.symlinkSync('/tmp', path) },
  { name: 'a directory with other content', kind: 'directory', put: (path) => putDirectory(path, 'index.js') },
  { name: 'a lock of a later version', kind: 'directory', put: (path) => putDirectory(path, '3-0') },
  { name: 'a file in the place of .members', kind: 'directory', put: (path) => putDirectory(path, '.members') },
]

for (const { name, kind, put } of WAITED_FOR) {
  for (const [length, place] of [
    ['', 'lock'],
    [', at a path that is too long for an address', join('d'.repeat(120), 'lock')],
  ] as const) {
    test(`${name} is waited for, and named${length}`, async () => {
      const path = join(directory, place)
      fs.mkdirSync(join(path, '..'), { recursive: true })
      await put(path)
      const { held, pending, obstacle } = await slocket.query(path)
      assert.deepEqual([held, pending, obstacle?.kind], [[], [], kind])
      assert.ok(obstacle!.message.startsWith(`'${path}' is a `), obstacle!.message)
      await assert.rejects(slocket(path, { timeout: 50 }), (error: unknown) => {
        assert.ok(isSlocketError(error, 'ERR_SLOCKET_TIMEOUT'))
        assert.ok(error.message.endsWith(obstacle!.message), error.message)
        return true
      })
      if (kind === 'dead-socket') await assert.rejects(slocket.try(path), { code: 'ERR_SLOCKET_DEAD_SOCKET' })
      else assert.equal(await slocket.try(path), null)
      fs.rmSync(path)
      await (await slocket(path, { linger: 0 })).release()
      assert.deepEqual(await slocket.query(path), { held: [], pending: [] })
    })
  }
}

for (const { name, kind, skip = false, put } of REFUSED) {
  test(`${name} is an error at once, and named`, { skip }, async () => {
    const path = join(directory, 'lock')
    await put(path)
    const { ino, mode, ctimeMs } = fs.lstatSync(path)
    const { held, pending, obstacle } = await slocket.query(path)
    assert.deepEqual([held, pending, obstacle?.kind], [[], [], kind])
    for (const asking of [
      slocket(path),
      slocket(path, { timeout: 0 }),
      slocket.try(path),
      slocket(path, { mode: 'shared' }),
    ])
      await assert.rejects(asking, { code: 'ERR_SLOCKET_NOT_A_LOCK', message: obstacle!.message })
    assert.throws(() => slocket.sync(path), { code: 'ERR_SLOCKET_NOT_A_LOCK', message: obstacle!.message })
    const after = fs.lstatSync(path)
    assert.deepEqual([after.ino, after.mode, after.ctimeMs], [ino, mode, ctimeMs])
  })
}

test('a device that replaces a file at the path ends the wait', { skip: reasonNotRoot() }, async () => {
  const path = join(directory, 'lock')
  fs.writeFileSync(path, '')
  const refused = assert.rejects(slocket(path), { code: 'ERR_SLOCKET_NOT_A_LOCK' })
  runSystem('mknod', join(directory, 'device'), 'c', '1', '3')
  fs.renameSync(join(directory, 'device'), path)
  await refused
})

test("a holder is shown beside a foreign entry in the lock's directory", async () => {
  const path = join(directory, 'lock')
  const lock = await slocket(path, { linger: 0, label: 'holder' })
  fs.writeFileSync(join(path, 'notes.txt'), '')
  const { held, obstacle } = await slocket.query(path)
  assert.deepEqual([held.map(({ label }) => label), obstacle?.kind], [['holder'], 'directory'])
  assert.match(obstacle!.message, /'notes\.txt'/)
  fs.rmSync(join(path, 'notes.txt'))
  await lock.release()
})

describe('a wait of a second for something else at the path warns', () => {
  const LISTEN = `
    const heard = []
    process.removeAllListeners('warning')
    process.on('warning', ({ code, message }) => heard.push([code, message]))
    const warned = () => new Promise((resolve) => process.once('warning', resolve))
    const fs = await import('node:fs')`

  test('once for each wait, with the kind', async () => {
    const path = join(directory, 'lock')
    fs.writeFileSync(path, '')
    const { stdout, code } = await runChild(
      `${LISTEN}
       const first = slocket(lockPath)
       await warned()
       // Another one comes in its place, and stays for longer than it takes until a wait is warned of.
       fs.writeFileSync(lockPath + '.new', '')
       fs.renameSync(lockPath + '.new', lockPath)
       const second = slocket(lockPath, { engine: local() })
       await warned()
       fs.unlinkSync(lockPath)
       await Promise.all([first, second].map(async (waiting) => await (await waiting).release()))
       console.log(JSON.stringify(heard))`,
      path,
    )
    assert.equal(code, 0)
    const warning = [
      'SLOCKET_OBSTACLE',
      `waiting for a lock: '${path}' is a file: it counts as the lock of another program until it is gone (remove it, or use another name)`,
    ]
    assert.deepEqual(JSON.parse(stdout), [warning, warning])
  })

  test('and no other call warns, and the warning keeps no process alive', async () => {
    const path = join(directory, 'lock')
    fs.writeFileSync(path, '')
    const { stderr, code } = await runChild(
      `await slocket(lockPath, { timeout: 20 }).catch(() => {})
       await slocket.try(lockPath)
       const controller = new AbortController()
       const waiting = slocket(lockPath, { signal: controller.signal })
       controller.abort()
       await waiting.catch(() => {})
       const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout')
       if (timers.length > 0) console.error(timers)`,
      path,
    )
    assert.deepEqual([stderr, code], ['', 0])
  })
})

function putDirectory(path: string, entry: string): void {
  fs.mkdirSync(path)
  fs.writeFileSync(join(path, entry), '')
}

/** By a short name: that of the path may be too long. */
async function listen(path: string): Promise<net.Server> {
  const server = net.createServer((socket) => socket.destroy())
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(join(directory, 's'), resolve))
  fs.linkSync(join(directory, 's'), path)
  return server
}

async function leaveSocket(path: string): Promise<void> {
  const server = await listen(path)
  await new Promise((resolve) => server.close(resolve))
  servers = []
}
