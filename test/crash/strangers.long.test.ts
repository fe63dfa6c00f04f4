/** Whoever connects to a member without being one gets nothing, delays nobody, and costs little: R23. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import type { Client } from '../helpers/client.ts'
import { ticketsIn, waitingIn } from '../helpers/lock-directory.ts'
import { openDescriptors, residentBytes } from '../helpers/proc.ts'
import type { Scene } from '../helpers/scenario.ts'
import { scenario } from '../helpers/scenario.ts'
import { pass, until } from '../helpers/until.ts'

const MB = 1 << 20

/** What a stranger does over a connection. `isCut`: the member ends the connection by itself, at once. */
const STRANGERS: Readonly<Record<string, { readonly isCut: boolean; speak(socket: net.Socket): void }>> = {
  'stays silent': { isCut: false, speak: () => {} },
  'sends half a frame': { isCut: false, speak: (socket) => socket.write('slocket/2 abc') },
  'sends a line that is no frame': {
    isCut: true,
    speak: (socket) => socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'),
  },
  'sends binary rubbish': { isCut: true, speak: (socket) => socket.write(Buffer.from([0, 255, 10, 13, 128, 200, 10])) },
  'sends a line without end': { isCut: true, speak: (socket) => pour(socket, Buffer.alloc(64 << 10, 'x'), 64 * MB) },
  'says that somebody is to wake up': {
    isCut: true,
    speak: (socket) => socket.write(`wake ${'1'.repeat(19)}-${'a'.repeat(12)}\n`),
  },
  'greets, and then sends rubbish': {
    isCut: true,
    speak: (socket) => socket.write(`slocket/2 ${'a'.repeat(12)}\nrubbish\n`),
  },
  'greets twice': {
    isCut: true,
    speak: (socket) => socket.write(`slocket/2 ${'a'.repeat(12)}\nslocket/2 ${'b'.repeat(12)}\n`),
  },
  'closes at once': { isCut: true, speak: (socket) => socket.end() },
  'resets the connection': { isCut: true, speak: (socket) => socket.destroy() },
}

for (const [what, { isCut, speak }] of Object.entries(STRANGERS)) {
  scenario(`a stranger that ${what} gets nothing and delays nobody (R23)`, async (scene) => {
    const [holder, a, b] = await scene.spawnAll('holder', 'a', 'b')
    await holder.acquire(scene.path)
    const strangers = socketsOf(scene, holder).map((path) => connect(scene, path))
    for (const stranger of strangers) speak(stranger)
    for (const client of [a, b]) {
      client.send({ do: 'acquire', path: scene.path })
    }
    await until('both wait', () => waitingIn(scene.path).length === 2)
    await holder.release()
    for (const client of [holder, a, b]) client.send({ do: 'contend', path: scene.path, rounds: 50 })
    await Promise.all([
      ...[a, b].map(async (client) => (await client.next('granted'), await client.release())),
      ...[holder, a, b].map((client) => client.next('done')),
    ])
    if (isCut) await until('the connections are cut', () => strangers.every((stranger) => stranger.destroyed))
    else assert.ok(strangers.every((stranger) => !stranger.destroyed))
  })
}

scenario("an endless line does not use up the holder's memory", async (scene) => {
  await growsLittle(scene, (socket) => pour(socket, Buffer.alloc(64 << 10, 'x'), 128 * MB))
})

scenario("endless queries whose answers are never read do not use up the holder's memory", async (scene) => {
  await growsLittle(scene, (socket) => pour(socket.pause(), Buffer.alloc(64 << 10, 'who\n'), MB / 2))
})

scenario("hellos from a thousand unknown members do not use up the holder's memory", async (scene) => {
  await growsLittle(scene, (socket) => {
    for (let count = 0; count < 1000; count += 1) socket.write(`slocket/2 ${String(count).padStart(12, 'a')}\n`)
  })
})

scenario("a stranger with a waiter's name does not keep the wake-up from the waiter", async (scene) => {
  const [holder, waiter] = await scene.spawnAll('holder', 'waiter')
  await holder.acquire(scene.path)
  // The waiter's member is known from the ticket of an earlier acquire.
  await waiter.enqueue(scene.path)
  const { member } = ticketsIn(scene.path)[1]!
  connect(scene, socketsOf(scene, holder)[0]!).write(`slocket/2 ${member}\n`)
  await holder.ping()
  await holder.release()
  await waiter.next('granted')
})

scenario(
  "a stranger with the holder's name does not keep the lock from a waiter when the holder dies",
  async (scene) => {
    const [holder, waiter] = await scene.spawnAll('holder', 'waiter')
    await holder.acquire(scene.path)
    await waiter.enqueue(scene.path)
    const stranger = connect(scene, socketsOf(scene, waiter)[0]!)
    stranger.write(`slocket/2 ${ticketsIn(scene.path)[0]!.member}\n`)
    await new Promise((resolve) => stranger.once('data', resolve))
    await holder.kill()
    await waiter.next('granted')
  },
)

scenario("a stranger that sends hellos with a waiter's name again and again costs nothing", async (scene) => {
  const [holder, waiter] = await scene.spawnAll('holder', 'waiter')
  await holder.acquire(scene.path)
  await waiter.enqueue(scene.path)
  await untilConnected(waiter, holder)
  const { member } = ticketsIn(scene.path)[1]!
  const descriptors = openDescriptors(holder.pid)
  for (let times = 0; times < 50; times += 1) {
    const stranger = connect(scene, socketsOf(scene, holder)[0]!)
    stranger.write(`slocket/2 ${member}\n`)
    await new Promise((resolve) => stranger.once('data', resolve))
    stranger.destroy()
    await holder.ping()
  }
  // One may be left, to the waiter: the holder looks whether that one is dead.
  await until('the descriptors are closed', () => openDescriptors(holder.pid) <= descriptors + 1)
  await holder.release()
  await waiter.next('granted')
})

scenario(
  "a stranger that wakes a waiter, by its ticket's name, makes it list the queue and nothing more",
  async (scene) => {
    const [holder, waiter] = await scene.spawnAll('holder', 'waiter')
    await holder.acquire(scene.path)
    await waiter.enqueue(scene.path)
    const { id, name } = ticketsIn(scene.path)[1]!
    const stranger = connect(scene, join(scene.path, name))
    stranger.write(`slocket/2 ${'a'.repeat(12)}\n${`wake ${id}\n`.repeat(1000)}`)
    await new Promise((resolve) => stranger.once('data', resolve))
    await waiter.ping()
    assert.equal(waiter.hasSaid('granted'), false)
    await holder.release()
    await waiter.next('granted')
  },
)

/** The holder's memory, after `speak` over several connections. */
async function growsLittle(scene: Scene, speak: (socket: net.Socket) => void): Promise<void> {
  const [holder, waiter] = await scene.spawnAll('holder', 'waiter')
  await holder.acquire(scene.path)
  await waiter.enqueue(scene.path)
  await untilConnected(waiter, holder)
  const descriptors = openDescriptors(holder.pid)
  const before = residentBytes(holder.pid)
  const strangers = Array.from({ length: 4 }, () => connect(scene, socketsOf(scene, holder)[0]!))
  for (const stranger of strangers) speak(stranger)
  // It may take all, cut the connection, or take no more: whichever, it has the time.
  await pass(1000)
  await holder.ping()
  const grown = (residentBytes(holder.pid) - before) / MB
  for (const stranger of strangers) stranger.destroy()
  assert.ok(grown < 64, `it has grown by ${grown.toFixed(0)} MB`)
  await until('the descriptors are closed', () => openDescriptors(holder.pid) <= descriptors)
  await holder.release()
  await waiter.next('granted')
}

/** Must be awaited before the descriptors of the holder are counted. */
async function untilConnected(waiter: Client, holder: Client): Promise<void> {
  // Its ticket was in the queue before it connected; both are done in one turn of its event loop.
  await waiter.ping()
  // The holder may have answered the first ping in the same turn as it takes the connection, but before.
  await holder.ping()
  await holder.ping()
}

/** Its ticket, and its member. */
function socketsOf(scene: Scene, client: Client): string[] {
  const members = fs
    .readdirSync(join(scene.path, '.members'))
    .filter((name) => name.split('.')[1] === String(client.pid))
  const tickets = ticketsIn(scene.path).filter(({ pid }) => pid === client.pid)
  return [
    ...tickets.map(({ name }) => join(scene.path, name)),
    ...members.map((name) => join(scene.path, '.members', name)),
  ]
}

function connect(scene: Scene, path: string): net.Socket {
  const socket = net.connect({ path })
  socket.on('error', () => {})
  socket.resume()
  scene.onEnd(() => void socket.destroy())
  return socket
}

/** Writes `chunk` again and again, as fast as it is taken, until so many bytes are written. */
function pour(socket: net.Socket, chunk: Buffer, bytes: number): void {
  let left = bytes
  const go = (): void => {
    while (left > 0 && !socket.destroyed) {
      left -= chunk.length
      if (!socket.write(chunk)) return void socket.once('drain', go)
    }
  }
  go()
}
