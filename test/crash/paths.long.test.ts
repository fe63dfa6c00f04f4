/** Paths of any length and any characters name locks of their own: R6. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { dirname, join } from 'node:path'
import { untilGone } from '../helpers/lock-directory.ts'
import { MOST_BYTES_IN_NAME, pathOfLength } from '../helpers/path-of-length.ts'
import { openDescriptors } from '../helpers/proc.ts'
import type { ClientEvent } from '../helpers/commands.ts'
import type { Scene } from '../helpers/scenario.ts'
import { scenario } from '../helpers/scenario.ts'
import { until } from '../helpers/until.ts'

const LENGTHS = [50, 90, 107, 108, 109, 300, 1000]

for (const length of LENGTHS) {
  scenario(`a path of ${length} bytes is one lock, which leaves nothing behind`, async (scene) => {
    const path = pathOfLength(scene, length)
    await contendAt(scene, path)
  })
}

const NAMES = ['ключ-ロック-🔒', '🔒'.repeat(63), 'with space and\nnewline', '*?[a-z]{x}', '-rf', '%s$(id)']

for (const name of NAMES) {
  scenario(`${JSON.stringify(name)} is the name of a lock`, async (scene) =>
    contendAt(scene, join(scene.directory, name)),
  )
}

for (const common of [106, 107, 108]) {
  scenario(`two names with the same first ${common} bytes are two locks`, async (scene) => {
    const [one, other, third] = await scene.spawnAll('one', 'other', 'third')
    const base = pathOfLength(scene, common)
    await one.acquire(`${base}1`)
    await other.acquire(`${base}2`)
    assert.equal(await third.try(`${base}1`), false)
    assert.equal(await third.try(`${base}2`), false)
    assert.equal(await third.try(base, {}, 'base'), true)
    await one.release()
    assert.equal(await third.try(`${base}1`), true)
    assert.equal(await other.isHolding(), true)
  })
}

scenario('a long path needs no descriptor after use', async (scene) => {
  const client = await scene.spawn('client')
  const path = pathOfLength(scene, 300)
  await client.acquire(path, { linger: 0 })
  await client.release()
  const descriptors = openDescriptors(client.pid)
  for (let round = 0; round < 5; round += 1) {
    await client.acquire(path, { linger: 0 })
    await client.release()
  }
  await until('no descriptor is left open', () => openDescriptors(client.pid) === descriptors)
})

scenario(
  'a relative path is resolved by the working directory, and is the same lock as the absolute one',
  async (scene) => {
    const [here, there] = await Promise.all([scene.spawn('here', { cwd: scene.directory }), scene.spawn('there')])
    await here.acquire('./x/../lock')
    assert.equal(await there.try(scene.path), false)
    await there.enqueue(scene.path)
    await here.release()
    await there.next('granted')
  },
)

scenario('a name or a path that is too long for the file system is an error', async (scene) => {
  const client = await scene.spawn('client')
  const name = 'n'.repeat(MOST_BYTES_IN_NAME + 1)
  assert.equal((await client.fail(join(scene.directory, name))).code, 'ERR_SLOCKET_PATH_TOO_LONG')
  assert.equal((await client.fail(join(scene.directory, 'n/'.repeat(3000), 'n'))).code, 'ERR_SLOCKET_PATH_TOO_LONG')
  assert.deepEqual(fs.readdirSync(scene.directory), ['journal'])
})

scenario('a path that leaves no room for a ticket is an error, and nothing is made there', async (scene) => {
  const most = Number(/\d+(?= bytes)/.exec((await longPath(scene, 4090)).message!)![0])
  for (const bytes of [4000, 4040, 4070, 4095].filter((length) => length > most)) {
    assert.equal((await longPath(scene, bytes)).code, 'ERR_SLOCKET_PATH_TOO_LONG', String(bytes))
  }
  const client = await scene.spawn('client')
  await client.acquire(pathOfLength(scene, most))
  await client.release()
})

/** Asks for a lock whose path has that many bytes, which fails. */
async function longPath(scene: Scene, bytes: number): Promise<ClientEvent> {
  const path = pathOfLength(scene, bytes)
  const error = await (await scene.spawn(`client ${bytes}`)).fail(path)
  assert.deepEqual(fs.readdirSync(dirname(path)), [])
  return error
}

async function contendAt(scene: Scene, path: string): Promise<void> {
  const [a, b] = await scene.spawnAll('a', 'b')
  await a.acquire(path)
  assert.equal(await b.try(path), false)
  await b.enqueue(path)
  await a.release()
  await b.next('granted')
  await b.release()
  for (const client of [a, b])
    client.send({ do: 'contend', path, rounds: 30, options: { linger: 0 }, counter: scene.counter })
  await Promise.all([a, b].map((client) => client.next('done')))
  assert.equal(fs.readFileSync(scene.counter, 'utf8'), '60')
  await untilGone(path)
  assert.deepEqual(
    fs.readdirSync(dirname(path)).filter((name) => name !== 'journal' && name !== 'counter'),
    [],
  )
}
