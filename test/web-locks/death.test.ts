// Clients that die: kill -9, worker.terminate(), process.exit().
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { until } from '../helpers/until.ts'
import { betweenClients } from '../helpers/web-client.ts'
import { exceptOnWindows } from '../helpers/windows.ts'

const SHARED = { mode: 'shared' } as const
const LITTER = { skip: exceptOnWindows('there it stays until its name is used again, and there are no sockets') }

betweenClients(
  'locks of a dead client are free, its requests are gone, and the next waiter is granted',
  async (scene) => {
    const [dead, a, b] = await scene.startAll(3)
    await dead!.hold('lock')
    await dead!.hold('other')
    await a!.wait('lock')
    await dead!.wait('lock', {}, 'again')
    await b!.wait('lock')
    await b!.wait('other')
    dead!.killNow()
    await a!.next('called', 'lock')
    await b!.next('called', 'other')
    assert.equal(b!.has('called', 'lock'), false)
    const { held, pending } = await b!.query()
    assert.deepEqual(held.map(({ name }) => name).sort(), ['lock', 'other'])
    assert.equal(pending.length, 1)
    await a!.end('lock')
    await b!.next('called', 'lock')
  },
)

betweenClients(
  'when one of several shared holders dies, the others keep the lock, and nobody else is granted',
  async (scene) => {
    const [dead, a, b] = await scene.startAll(3)
    await dead!.hold('lock', SHARED)
    await a!.hold('lock', SHARED)
    await b!.wait('lock')
    await dead!.kill()
    await until('the dead one is not shown', async () => (await a!.query()).held.length === 1)
    assert.equal(b!.has('called', 'lock'), false)
    await a!.end('lock')
    await b!.next('called', 'lock')
  },
)

betweenClients('when a waiter in the middle dies, those behind it move up', async (scene) => {
  const [a, dead, b, c] = await scene.startAll(4)
  await a!.hold('lock')
  await dead!.wait('lock')
  await b!.wait('lock')
  await c!.wait('lock')
  await dead!.kill()
  await a!.end('lock')
  await b!.next('called', 'lock')
  assert.equal(c!.has('called', 'lock'), false)
  await b!.end('lock')
  await c!.next('called', 'lock')
})

betweenClients('a thread that was ended is dead although its process continues', async (scene) => {
  const a = await scene.start()
  const dead = await scene.start('thread')
  await dead.hold('lock')
  await a.wait('lock')
  await dead.kill()
  await a.next('called', 'lock')
})

betweenClients('what a client that exits has left is removed by the next one', async (scene) => {
  const [dead, a] = await scene.startAll(2)
  await dead!.hold('lock')
  await dead!.hold('alone')
  await a!.wait('lock')
  dead!.send({ do: 'exit' })
  await dead!.exited()
  await a!.next('called', 'lock')
  await until('the other lock is gone', () => !fs.existsSync(`${scene.root}/alone`))
})

betweenClients(
  'what a dead client has left is removed by the next one, whatever name it uses',
  async (scene) => {
    const dead = await scene.start()
    const names = Array.from({ length: 20 }, (_, index) => `${index}${'-long'.repeat(index * 5)}`)
    for (const name of names) await dead.hold(name)
    await dead.kill()
    assert.ok(fs.readdirSync(scene.root).length > names.length)
    const a = await scene.start()
    await a.hold('another')
    await until('the litter is gone', () => fs.readdirSync(scene.root).length === 2)
    await until('the sockets are gone', () => fs.readdirSync(`${scene.root}/.members`).length === 1)
  },
  LITTER,
)

betweenClients(
  'an old socket of a dead client is removed, too, by the client that finds it',
  async (scene) => {
    const a = await scene.start()
    await a.hold('kept')
    const dead = await scene.start()
    await dead.hold('lock')
    await dead.hold('other')
    await dead.kill()
    await a.hold('lock')
    await until('the litter is gone', () => fs.readdirSync(scene.root).length === 3)
    assert.equal(fs.readdirSync(`${scene.root}/.members`).length, 1)
  },
  LITTER,
)
