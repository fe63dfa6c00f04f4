/** On macOS, locked files show who is alive, not connections: with real processes, in the imitation of macOS. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { join } from 'node:path'
import { programPath } from '../helpers/built.ts'
import type { Client } from '../helpers/client.ts'
import { ticketsIn, untilGone } from '../helpers/lock-directory.ts'
import { pathOfLength } from '../helpers/path-of-length.ts'
import { reasonNotRoot } from '../helpers/privileges.ts'
import type { Runtime } from '../helpers/runtime.ts'
import { NODE } from '../helpers/runtime.ts'
import type { Scene } from '../helpers/scenario.ts'
import { scenario } from '../helpers/scenario.ts'
import { pass } from '../helpers/until.ts'
import { buildImitation, imitatedBy } from './imitation.ts'

/** On macOS itself nothing is imitated. */
const isMac = process.platform === 'darwin'
const imitation = isMac ? undefined : buildImitation()
const skip = imitation !== undefined && 'missing' in imitation && imitation.missing
const LEAVE = { linger: 0 }
/** More than have room in a backlog, in front of a process that doesn't accept. */
const MANY = 200

scenario('a stopped holder with a full backlog is waited for, and its death is noticed', { skip }, async (scene) => {
  const [holder, waiter, crowd] = await spawnAll(scene, 'holder', 'waiter', 'crowd')
  await holder.acquire(scene.path)
  await holder.stop()
  crowd.send({ do: 'flood', path: socketOf(scene.path), count: MANY })
  const { count } = await crowd.next('flooded')
  assert.ok(count! < MANY, 'some were refused')
  assert.equal(await crowd.try(scene.path), false)
  await waiter.enqueue(scene.path)
  await pass(200)
  assert.equal(waiter.hasSaid('granted'), false)
  await holder.kill()
  assert.equal((await waiter.next('granted')).recovered, true)
})

scenario(
  'a stopped holder that had a full backlog releases when it continues, and is not reported',
  { skip },
  async (scene) => {
    const [holder, waiter, crowd] = await spawnAll(scene, 'holder', 'waiter', 'crowd')
    await holder.acquire(scene.path)
    await holder.stop()
    crowd.send({ do: 'flood', path: socketOf(scene.path), count: MANY })
    await crowd.next('flooded')
    await waiter.enqueue(scene.path)
    holder.continue()
    await holder.release()
    assert.equal((await waiter.next('granted')).recovered, false)
  },
)

scenario(
  'a live holder whose socket was removed keeps the lock, and the next request gets it after that',
  { skip },
  async (scene) => {
    const [holder, waiter] = await spawnAll(scene, 'holder', 'waiter')
    await holder.acquire(scene.path, LEAVE)
    fs.unlinkSync(socketOf(scene.path))
    assert.equal(await waiter.try(scene.path), false)
    await waiter.enqueue(scene.path, LEAVE)
    await holder.release()
    assert.equal((await waiter.next('granted')).recovered, false)
    await waiter.release()
    await untilGone(scene.path)
  },
)

scenario('a live holder is waited for, whatever error its socket returns', { skip }, async (scene) => {
  const [holder, waiter] = await spawnAll(scene, 'holder', 'waiter')
  await holder.acquire(scene.path, LEAVE)
  const socket = socketOf(scene.path)
  fs.unlinkSync(socket)
  // ELOOP.
  fs.symlinkSync(socket, socket)
  assert.equal(await waiter.try(scene.path), false)
  await waiter.enqueue(scene.path, LEAVE)
  await holder.release()
  assert.equal((await waiter.next('granted')).recovered, false)
  await waiter.release()
  await untilGone(scene.path)
})

scenario('a socket without a member does not keep the directory', { skip }, async (scene) => {
  const [dead, next] = await spawnAll(scene, 'dead', 'next')
  await dead.acquire(scene.path)
  await dead.kill()
  const members = join(scene.path, '.members')
  for (const { name } of ticketsIn(scene.path)) fs.unlinkSync(join(scene.path, name))
  for (const name of fs.readdirSync(members)) if (!name.startsWith('socket-')) fs.unlinkSync(join(members, name))
  assert.ok(fs.existsSync(socketOf(scene.path)))
  await next.acquire(scene.path, LEAVE)
  await next.release()
  await untilGone(scene.path)
})

scenario(
  'the lock of a worker thread is free when the thread ends, while its process lives',
  { skip },
  async (scene) => {
    const [client, waiter] = await spawnAll(scene, 'client', 'waiter')
    const thread = await client.startWorker('thread', 'thread')
    await thread.acquire(scene.path)
    await waiter.enqueue(scene.path, LEAVE)
    await thread.terminate()
    assert.equal((await waiter.next('granted')).recovered, true)
    await waiter.release()
    await untilGone(scene.path)
  },
)

scenario(
  "a user waits for another user's socket that it may not connect to, and gets an error if it may not read the ticket",
  { skip: skip || reasonNotRoot() },
  async (scene) => {
    fs.chmodSync(scene.directory, 0o755)
    fs.chmodSync(scene.journal.file, 0o666)
    fs.mkdirSync(scene.path)
    fs.chmodSync(scene.path, 0o1777)
    const [root] = await spawnAll(scene, 'root')
    const nobody = await scene.spawn('nobody', { runtime: runtime(), uid: 65_534, gid: 65_534 })
    await root.acquire(scene.path)
    assert.equal(fs.statSync(socketOf(scene.path)).mode & 0o002, 0)
    assert.equal(await nobody.try(scene.path), false)
    await nobody.enqueue(scene.path)
    await root.release()
    assert.equal((await nobody.next('granted')).recovered, false)
    await nobody.release()

    await root.acquire(scene.path)
    const [held] = ticketsIn(scene.path)
    fs.chmodSync(join(scene.path, held!.name), 0o600)
    assert.equal((await nobody.fail(scene.path)).code, 'ERR_SLOCKET_PERMISSION')
    assert.equal(ticketsIn(scene.path).length, 1)
  },
)

for (const length of [103, 104, 300]) {
  scenario(`a path of ${length} bytes is one lock, and nothing is left of it`, { skip }, async (scene) => {
    const path = pathOfLength(scene, length)
    const [a, b] = await spawnAll(scene, 'a', 'b')
    for (const client of [a, b]) client.send({ do: 'contend', path, rounds: 20, options: LEAVE })
    await Promise.all([a, b].map((client) => client.next('done')))
    await untilGone(path)
  })
}

scenario('a lock of slocket run lives as long as its command, even if slocket is killed', { skip }, async (scene) => {
  const [other] = await spawnAll(scene, 'other')
  const [program, ...parameters] = runtime().command
  const words = ['run', scene.path, '--', 'sh', '-c', 'echo $$; exec sleep 60']
  const run = spawn(program, [...parameters, programPath('src/cli/main.js'), ...words], {
    env: { ...process.env, ...runtime().env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [said] = (await once(run.stdout, 'data')) as [Buffer]
  const command = Number(said)
  scene.onEnd(() => endQuietly(command))
  assert.equal(await other.try(scene.path), false)
  run.kill('SIGKILL')
  await once(run, 'exit')
  assert.equal(await other.try(scene.path), false, 'the command has it')
  other.send({ do: 'acquire', path: scene.path })
  process.kill(command, 'SIGKILL')
  assert.equal((await other.next('granted')).recovered, true)
  assert.equal(ticketsIn(scene.path).length, 1)
})

scenario(
  'slocket doctor finds locks safe, and names the ticket, the witness and the bell in use',
  { skip },
  async (scene) => {
    const [program, ...parameters] = runtime().command
    const { stdout, stderr } = spawnSync(
      program,
      [...parameters, programPath('src/cli/main.js'), 'doctor', '--json', scene.directory],
      {
        env: { ...process.env, ...runtime().env },
        encoding: 'utf8',
        timeout: 60_000,
        killSignal: 'SIGKILL',
      },
    )
    assert.equal(stderr, '')
    const { safe, findings } = JSON.parse(stdout) as { safe: boolean; findings: Record<string, object> }
    assert.equal(safe, true, stdout)
    assert.deepEqual(
      ['ticket', 'witness', 'bell'].map((name) => findings[name]),
      [
        { kind: 'good', text: 'a hard link to a file that its owner has locked' },
        { kind: 'good', text: 'the lock of that file' },
        { kind: 'good', text: 'a connection to a socket beside it' },
      ],
    )
  },
)

function runtime(): Runtime {
  return imitation !== undefined && 'library' in imitation ? imitatedBy(imitation.library) : NODE
}

async function spawnAll<const Names extends readonly string[]>(
  scene: Scene,
  ...names: Names
): Promise<{ [Name in keyof Names]: Client }> {
  const clients = names.map((name) => scene.spawn(name, { runtime: runtime() }))
  return (await Promise.all(clients)) as { [Name in keyof Names]: Client }
}

/** That of the only member. */
function socketOf(lock: string): string {
  const members = join(lock, '.members')
  const sockets = fs.readdirSync(members).filter((name) => name.startsWith('socket-'))
  assert.equal(sockets.length, 1)
  return join(members, sockets[0]!)
}

function endQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}
