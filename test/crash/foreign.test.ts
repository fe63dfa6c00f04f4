/** Something else is at the path of the lock: R1, R2, R16. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import { slocket } from '../../src/index.ts'
import { treeOf, untilGone } from '../helpers/lock-directory.ts'
import { takeTurns } from '../helpers/party.ts'
import { pathOfLength } from '../helpers/path-of-length.ts'
import { cpuMs } from '../helpers/proc.ts'
import type { Scene } from '../helpers/scenario.ts'
import { scenario } from '../helpers/scenario.ts'
import { pass } from '../helpers/until.ts'

scenario('a dangling socket at a long path is detected there, not at a truncated path', async (scene) => {
  const client = await scene.spawn('client')
  const parent = pathOfLength(scene, 150)
  fs.mkdirSync(parent)
  const path = join(parent, 'lock')
  const server = await listen(join(scene.directory, 'other'))
  fs.renameSync(join(scene.directory, 'other'), path)
  server.close()
  const cut = net.createServer().listen({ path: path.slice(0, 107), exclusive: true })
  scene.onEnd(() => void cut.close())
  client.send({ do: 'try', path })
  assert.equal((await client.next('rejected')).code, 'ERR_SLOCKET_DEAD_SOCKET')
})

interface Thing {
  readonly name: string
  /** Makes it, and gives what removes it. */
  make(scene: Scene): Promise<() => void>
  readonly tried: 'refused' | 'ERR_SLOCKET_DEAD_SOCKET'
}

const THINGS: readonly Thing[] = [
  {
    name: 'a regular file',
    tried: 'refused',
    make: async ({ path }) => {
      fs.writeFileSync(path, '4711\n')
      return () => fs.unlinkSync(path)
    },
  },
  {
    name: 'a dangling socket',
    tried: 'ERR_SLOCKET_DEAD_SOCKET',
    make: async ({ path, directory }) => {
      const server = await listen(join(directory, 'other'))
      fs.linkSync(join(directory, 'other'), path)
      server.close()
      return () => fs.unlinkSync(path)
    },
  },
  {
    name: 'a live socket',
    tried: 'refused',
    make: async (scene) => {
      const server = await listen(scene.path)
      scene.onEnd(() => void server.close())
      return () => void server.close()
    },
  },
]

for (const thing of THINGS) {
  scenario(
    `${thing.name} at the path is waited for without processor time, until it is gone (R1, R16)`,
    async (scene) => {
      const [first, second] = await scene.spawnAll('first', 'second')
      const remove = await thing.make(scene)
      const before = fs.lstatSync(scene.path)
      for (const client of [first, second]) {
        client.send({ do: 'acquire', path: scene.path })
        await client.ping()
      }
      await pass(300)
      const usedMs = cpuMs(first.pid)
      await pass(1500)
      assert.ok(cpuMs(first.pid) - usedMs < 100, `${cpuMs(first.pid) - usedMs} ms of 1500 ms`)
      assert.deepEqual([first.hasSaid('granted'), second.hasSaid('granted')], [false, false])
      const after = fs.lstatSync(scene.path)
      assert.deepEqual([after.ino, after.ctimeMs, after.mode], [before.ino, before.ctimeMs, before.mode])

      remove()
      await takeTurns([first, second])
    },
  )

  scenario(`a try does not wait for ${thing.name} at the path: ${thing.tried}`, async (scene) => {
    const client = await scene.spawn('client')
    const remove = await thing.make(scene)
    client.send({ do: 'try', path: scene.path })
    const { event, code } = await client.next('granted|refused|rejected')
    assert.equal(code ?? event, thing.tried)
    remove()
    assert.equal(await client.try(scene.path), true)
  })
}

scenario('a wait for something else at the path can be cancelled, and times out', async (scene) => {
  const client = await scene.spawn('client')
  fs.writeFileSync(scene.path, '')
  client.send({ do: 'acquire', path: scene.path })
  await client.ping()
  client.send({ do: 'abort' })
  assert.equal((await client.next('rejected')).code, 'CANCELLED')
  assert.equal((await client.fail(scene.path, { timeout: 50 })).code, 'ERR_SLOCKET_TIMEOUT')
  assert.equal(fs.readFileSync(scene.path, 'utf8'), '')
})

scenario('a directory with other content is an error, and nothing in it is touched (R2)', async (scene) => {
  const client = await scene.spawn('client')
  fs.mkdirSync(join(scene.path, 'src/deep'), { recursive: true })
  fs.writeFileSync(join(scene.path, 'package.json'), '{}')
  fs.writeFileSync(join(scene.path, 'src/deep/index.js'), 'export {}')
  fs.symlinkSync('nowhere', join(scene.path, 'src/link'))
  fs.chmodSync(scene.path, 0o1775)
  const before = treeOf(scene.path)
  assert.equal((await client.fail(scene.path)).code, 'ERR_SLOCKET_NOT_A_LOCK')
  assert.equal((await client.fail(scene.path, { mode: 'shared' })).code, 'ERR_SLOCKET_NOT_A_LOCK')
  client.send({ do: 'acquire', path: scene.path }, { do: 'abort' })
  await client.next('rejected')
  client.send({ do: 'try', path: scene.path })
  assert.equal((await client.next('rejected')).code, 'ERR_SLOCKET_NOT_A_LOCK')
  assert.equal((await slocket.query(scene.path)).obstacle?.kind, 'directory')
  client.send({ do: 'exit', code: 0 })
  await client.ended()
  assert.deepEqual(treeOf(scene.path), before)
})

const INTRUDERS: Readonly<Record<string, (path: string) => void>> = {
  'a ticket of a later version': (path) =>
    fs.writeFileSync(join(path, '3-0000000849714949590-x-1-k3j9d8f7a6s5-9b4128cb-w'), ''),
  'a file in the place of .members': (path) => fs.writeFileSync(join(path, '.members'), ''),
  'a hidden file': (path) => fs.writeFileSync(join(path, '.gitignore'), ''),
}

for (const [what, put] of Object.entries(INTRUDERS)) {
  scenario(`a directory with ${what} is an error, and nothing in it is touched`, async (scene) => {
    const client = await scene.spawn('client')
    fs.mkdirSync(scene.path)
    put(scene.path)
    const before = treeOf(scene.path)
    assert.equal((await client.fail(scene.path)).code, 'ERR_SLOCKET_NOT_A_LOCK')
    client.send({ do: 'exit', code: 0 })
    await client.ended()
    assert.deepEqual(treeOf(scene.path), before)
  })
}

scenario('an empty directory that the user made is used, and stays, empty', async (scene) => {
  const [holder, waiter] = await scene.spawnAll('holder', 'waiter')
  fs.mkdirSync(scene.path, { mode: 0o755 })
  const { ino, mode } = fs.lstatSync(scene.path)
  await holder.acquire(scene.path)
  await waiter.enqueue(scene.path, { linger: 0 })
  holder.send({ do: 'release' }, { do: 'exit', code: 0 })
  await holder.ended()
  await waiter.next('granted')
  await waiter.release()
  assert.deepEqual(fs.readdirSync(scene.path), [])
  const after = fs.lstatSync(scene.path)
  assert.deepEqual([after.ino, after.mode], [ino, mode])
})

scenario('a symbolic link at the path is an error, wherever it leads, and its target is not touched', async (scene) => {
  const client = await scene.spawn('client')
  const target = join(scene.directory, 'target')
  fs.symlinkSync(target, scene.path)
  assert.equal((await client.fail(scene.path)).code, 'ERR_SLOCKET_NOT_A_LOCK')
  assert.equal(fs.existsSync(target), false)
  fs.mkdirSync(target)
  assert.equal((await client.fail(scene.path)).code, 'ERR_SLOCKET_NOT_A_LOCK')
  assert.deepEqual(fs.readdirSync(target), [])
})

scenario('a path below a missing directory, or below a file, is an error, and nothing is created', async (scene) => {
  const client = await scene.spawn('client')
  assert.equal((await client.fail(join(scene.path, 'a/lock'))).code, 'ERR_SLOCKET_NO_PARENT')
  assert.equal((await client.fail(join(scene.journal.file, 'lock'))).code, 'ERR_SLOCKET_NO_PARENT')
  // Its mkdir answers ENOENT, though the parent is there.
  assert.equal((await client.fail('/proc/lock')).code, 'ERR_SLOCKET_NO_PARENT')
  assert.equal(fs.existsSync(scene.path), false)
})

scenario('a regular file that replaces the directory is waited for by the next request', async (scene) => {
  const [first, next] = await scene.spawnAll('first', 'next')
  await first.acquire(scene.path, { linger: 0 })
  await first.release()
  await untilGone(scene.path)
  fs.writeFileSync(scene.path, '')
  next.send({ do: 'acquire', path: scene.path })
  await next.ping()
  assert.equal(next.hasSaid('granted'), false)
  fs.unlinkSync(scene.path)
  await next.next('granted')
})

async function listen(path: string): Promise<net.Server> {
  const server = net.createServer((socket) => socket.destroy())
  await new Promise<void>((resolve) => server.listen(path, resolve))
  return server
}
