// More of what query tells of all clients, and of what a root costs, than query.test.ts has.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../helpers/until.ts'
import { exceptOnWindows } from '../helpers/windows.ts'
import { betweenClients } from '../helpers/web-client.ts'

/** How long a query waits for the answer of a client, in ms: INSPECTION in src/engines/local/names/index.ts, and on Windows. */
const ANSWER_MS = 1000
/** How often a client is killed again if that took too long. */
const MOST_TRIES = 20

betweenClients('requests of one client in one tick are shown in the order of its calls', async (scene) => {
  const [a, b] = await scene.startAll(2)
  for (const name of ['c', 'a', 'b']) await b!.hold(name)
  const names = ['b', 'a', 'c', 'b', 'c', 'a', 'free 2', 'free 1']
  a!.send(...names.map((name, index) => ({ do: 'request', as: `${index}`, name }) as const), { do: 'query', as: 'all' })
  const { held, pending } = (await a!.next('snapshot', 'all')).snapshot
  assert.deepEqual(
    pending.map(({ name }) => name),
    names.slice(0, 6),
  )
  assert.deepEqual(
    held.map(({ name }) => name),
    ['c', 'a', 'b', 'free 2', 'free 1'],
  )
})

betweenClients('a silent client is placed by its time of joining the queue', async (scene) => {
  const [a, mute, b] = await scene.startAll(3)
  const file = path.join(scene.directory, 'blocked')
  await a!.hold('z')
  await mute!.hold('m')
  await mute!.wait('z')
  await a!.hold('a')
  await b!.wait('a')
  mute!.send({ do: 'block-until', file })
  await until('it is blocked', () => fs.existsSync(file))
  const { held, pending } = await b!.query()
  fs.rmSync(file)
  assert.deepEqual(
    [held, pending].map((infos) => infos.map(({ name }) => name)),
    [
      ['z', 'm', 'a'],
      ['z', 'a'],
    ],
  )
})

betweenClients('a client keeps its id for life, and no other one ever gets it', async (scene) => {
  const a = await scene.start()
  const idOf = async (): Promise<string> => (await a.query()).held[0]!.clientId
  await a.hold('lock')
  const id = await idOf()
  await a.end('lock')
  await until('it has left', () => !fs.existsSync(scene.root))
  await a.hold('lock')
  assert.equal(await idOf(), id)
  await a.kill()
  const b = await scene.start()
  await b.hold('lock')
  assert.notEqual((await b.query()).held[0]!.clientId, id)
})

betweenClients(
  'a request that left while its client is silent is not shown',
  async (scene) => {
    const [a, b, mute] = await scene.startAll(3)
    const file = path.join(scene.directory, 'blocked')
    await a!.hold('lock')
    await mute!.wait('lock')
    mute!.send({ do: 'block-until', file })
    await until('it is blocked', () => fs.existsSync(file))
    const tickets = (): string[] => fs.readdirSync(path.join(scene.root, 'lock')).sort()
    const waiting = tickets().at(-1)!
    const snapshot = b!.query()
    await sleep(300)
    // The query has listed the ticket by now, and waits for an answer that does not come.
    fs.rmSync(path.join(scene.root, 'lock', waiting))
    assert.deepEqual((await snapshot).pending, [])
    fs.rmSync(file)
  },
  { skip: exceptOnWindows('there a ticket that is held open cannot be removed from outside') },
)

betweenClients('a client that is killed during the query is not shown', async (scene) => {
  const [a, b] = await scene.startAll(2)
  const file = path.join(scene.directory, 'blocked')
  await a!.hold('lock')
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const mute = await scene.start()
    await mute.wait('lock')
    mute.send({ do: 'block-until', file })
    await until('it is blocked', () => fs.existsSync(file))
    const startMs = performance.now()
    const snapshot = b!.query()
    await sleep(300)
    await mute.kill()
    const hasDiedInTime = performance.now() - startMs < ANSWER_MS
    const { pending } = await snapshot
    fs.rmSync(file)
    // On a machine that took longer, it may have been alive when nobody waited for its answer any more.
    if (hasDiedInTime) return assert.deepEqual(pending, [])
  }
  assert.fail(`it took more than ${ANSWER_MS} ms to kill a client, ${MOST_TRIES} times`)
})

betweenClients('a try is never shown as waiting, and query takes no lock from anybody', async (scene) => {
  const [a, b, c] = await scene.startAll(3)
  await a!.hold('lock', { mode: 'shared' })
  const tries = Array.from({ length: 30 }, () => b!.isAvailable('lock'))
  const shared = Array.from({ length: 30 }, () => b!.isAvailable('free'))
  for (let looks = 0; looks < 30; looks += 1) assert.deepEqual((await c!.query()).pending, [])
  assert.deepEqual(new Set(await Promise.all(tries)), new Set([false]))
  assert.equal((await Promise.all(shared)).includes(true), true)
})

betweenClients('hundreds of names used once leave nothing behind, and cost no descriptors', async (scene) => {
  const [a, b] = await scene.startAll(2)
  await b!.hold('kept')
  await a!.hold('first')
  await a!.end('first')
  a!.send({ do: 'descriptors' })
  const { count } = await a!.next('descriptors')
  const names = Array.from({ length: 200 }, (_, index) => `name ${index}`)
  a!.send({ do: 'once', as: 'all', names })
  assert.equal((await a!.next('resolved', 'all')).value, names.length)
  a!.send({ do: 'descriptors' })
  assert.ok((await a!.next('descriptors')).count <= count + 2)
  await until('the directories are gone', () => fs.readdirSync(scene.root).length === 2)
})

betweenClients(
  'sixty names that two clients request cost one connection',
  async (scene) => {
    const [a, b] = await scene.startAll(2)
    const names = Array.from({ length: 60 }, (_, index) => `${index}${' and its long name'.repeat(index % 7)}`)
    for (const name of names) await a!.hold(name)
    a!.send({ do: 'descriptors' })
    const { count } = await a!.next('descriptors')
    b!.send(...names.map((name) => ({ do: 'request', as: name, name }) as const))
    await until('all wait', async () => (await b!.query()).pending.length === names.length)
    a!.send({ do: 'descriptors' })
    assert.ok((await a!.next('descriptors')).count <= count + 20)
    for (const name of names) await a!.end(name)
    for (const name of names) await b!.next('called', name)
  },
  { skip: exceptOnWindows('there each name has a named pipe, and nobody counts handles') },
)
