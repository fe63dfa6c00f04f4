/** An exclusive holder that shares from some moment on, and is killed or stopped about that. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { DOWNGRADED } from '../../src/engines/local/ticket-name.ts'
import type { Client } from '../helpers/client.ts'
import type { Command } from '../helpers/commands.ts'
import { ticketsIn, untilGone } from '../helpers/lock-directory.ts'
import { useOnceAndCleanUp } from '../helpers/party.ts'
import { reasonNotRoot } from '../helpers/privileges.ts'
import type { Scene } from '../helpers/scenario.ts'
import { NO_STOPS, scenario } from '../helpers/scenario.ts'
import { WITH_STEPS } from '../helpers/steps.ts'
import { BEN } from '../helpers/users.ts'
import { exceptOnWindows } from '../helpers/windows.ts'

const READ = { mode: 'shared' } as const
const LEAVE = { linger: 0 }
/** They count the steps of Linux. */
const steps = { skip: exceptOnWindows('test/windows/downgrade has what applies') }
/** Takes away the looks once a second. */
const NO_LOOK = { preload: new URL('../fixtures/no-look.js', import.meta.url).href }

scenario(
  'shared requests up to the next writer are notified of a downgrade, and the writer of its end',
  async (scene) => {
    const spawn = (name: string): Promise<Client> => scene.spawn(name, NO_LOOK)
    const [holder, one, two] = await Promise.all([spawn('holder'), spawn('one'), spawn('two')])
    const [writer, late] = await Promise.all([spawn('writer'), spawn('late')])
    await holder.acquire(scene.path)
    await one.enqueue(scene.path, READ)
    await two.enqueue(scene.path, READ)
    await writer.enqueue(scene.path)
    await late.enqueue(scene.path, READ)
    await holder.downgrade()
    await one.next('granted')
    await two.next('granted')
    await one.release()
    await two.release()
    assert.equal(writer.hasSaid('granted'), false)
    assert.equal(late.hasSaid('granted'), false)
    await holder.release()
    await writer.next('granted')
    await writer.downgrade()
    await late.next('granted')
  },
)

scenario(
  'shared requests are notified when the writer between them and a downgraded holder is killed',
  async (scene) => {
    const spawn = (name: string): Promise<Client> => scene.spawn(name, NO_LOOK)
    const [holder, writer, reader] = await Promise.all([spawn('holder'), spawn('writer'), spawn('reader')])
    await holder.acquire(scene.path)
    await writer.enqueue(scene.path)
    await reader.enqueue(scene.path, READ)
    await holder.downgrade()
    await writer.kill()
    await reader.next('granted')
  },
)

scenario('a holder that is killed after its downgrade causes no recovered', async (scene) => {
  const [holder, reader, writer] = await scene.spawnAll('holder', 'reader', 'writer')
  await holder.acquire(scene.path)
  await holder.downgrade()
  await reader.acquire(scene.path, READ)
  await writer.enqueue(scene.path)
  await holder.kill()
  await reader.release()
  assert.equal((await writer.next('granted')).recovered, false)
  await writer.release()
  await useOnceAndCleanUp(reader, scene.path)
})

scenario('a holder that exits after its downgrade causes no recovered', async (scene) => {
  const [holder, writer] = await scene.spawnAll('holder', 'writer')
  await holder.acquire(scene.path)
  await holder.downgrade()
  await writer.enqueue(scene.path)
  holder.send({ do: 'exit', code: 0 })
  assert.equal((await writer.next('granted')).recovered, false)
  await writer.release()
  await useOnceAndCleanUp(writer, scene.path)
})

scenario('a holder that is killed right before its downgrade causes recovered', steps, async (scene) => {
  const { holder, reader, writer } = await waitBehind(scene)
  holder.send(dieAt('before', holder, scene), { do: 'downgrade' })
  await holder.ended()
  assert.equal((await reader.next('granted')).recovered, true)
  await reader.release()
  assert.equal((await writer.next('granted')).recovered, true)
})

scenario('a holder that is killed between its mark and the wake-ups keeps nobody waiting', steps, async (scene) => {
  const { holder, reader, writer } = await waitBehind(scene)
  holder.send(dieAt('after', holder, scene), { do: 'downgrade' })
  await holder.ended()
  assert.equal((await reader.next('granted')).recovered, false)
  assert.equal(writer.hasSaid('granted'), false)
  await reader.release()
  assert.equal((await writer.next('granted')).recovered, false)
  await writer.release()
  await useOnceAndCleanUp(reader, scene.path)
})

scenario(
  'a holder that is stopped between its mark and the wake-ups keeps only writers waiting',
  { skip: NO_STOPS },
  async (scene) => {
    const { holder, reader, writer } = await waitBehind(scene)
    holder.send(stopAfter(scene), { do: 'downgrade' })
    await holder.untilStopped()
    // By its look once a second.
    await reader.next('granted')
    await reader.release()
    assert.equal(await reader.try(scene.path), false)
    assert.equal(writer.hasSaid('granted'), false)
    holder.continue()
    await holder.next('downgraded')
    await holder.release()
    await writer.next('granted')
  },
)

scenario('a downgraded holder that is killed during its release leaves no mark for good', steps, async (scene) => {
  const [holder, next] = await Promise.all([scene.spawn('holder', WITH_STEPS), scene.spawn('next')])
  await holder.acquire(scene.path, LEAVE)
  await holder.downgrade()
  holder.send(dieAt('after', holder, scene), { do: 'release' })
  await holder.ended()
  assert.deepEqual(ticketsIn(scene.path), [])
  assert.equal(fs.readdirSync(scene.path).filter((name) => name.endsWith(DOWNGRADED)).length, 1)
  assert.equal((await next.acquire(scene.path, LEAVE)).recovered, false)
  await next.release()
  await untilGone(scene.path)
})

scenario('a file with the name of a mark starts no request', async (scene) => {
  const [holder, reader] = await scene.spawnAll('holder', 'reader')
  await holder.acquire(scene.path)
  await reader.enqueue(scene.path, READ)
  const file = join(scene.path, ticketsIn(scene.path)[0]!.name + DOWNGRADED)
  fs.writeFileSync(file, 'x')
  assert.equal(await holder.try(scene.path, READ), false)
  assert.equal(reader.hasSaid('granted'), false)
  await holder.release()
  await reader.next('granted')
  fs.rmSync(file)
})

scenario("another user's mark starts no request", { skip: steps.skip || reasonNotRoot() }, async (scene) => {
  const [holder, reader, late] = await scene.spawnAll('holder', 'reader', 'late')
  await holder.acquire(scene.path)
  await reader.enqueue(scene.path, READ)
  const ticket = ticketsIn(scene.path)[0]!.name
  const mark = join(scene.path, ticket + DOWNGRADED)
  fs.symlinkSync(ticket, mark)
  fs.lchownSync(mark, BEN, BEN)
  assert.equal(await holder.try(scene.path, READ), false)
  assert.equal(await late.try(scene.path, READ), false)
  assert.equal(reader.hasSaid('granted'), false)
  await holder.release()
  await reader.next('granted')
  fs.rmSync(mark, { force: true })
})

/** Behind the holder there stand a reader, and behind that a writer. */
async function waitBehind(scene: Scene): Promise<{ holder: Client; reader: Client; writer: Client }> {
  const [holder, reader, writer] = await Promise.all([
    scene.spawn('holder', WITH_STEPS),
    scene.spawn('reader'),
    scene.spawn('writer'),
  ])
  await holder.acquire(scene.path)
  await reader.enqueue(scene.path, READ)
  await writer.enqueue(scene.path)
  return { holder, reader, writer }
}

/** The first step is that of the mark, or the unlink of the ticket. */
function dieAt(when: 'before' | 'after', holder: Client, { path }: Scene): Command {
  holder.mayEnd = true
  return { do: 'plan', plan: { path, at: 1, when, deed: { kind: 'kill' } } }
}

function stopAfter({ path }: Scene): Command {
  return { do: 'plan', plan: { path, at: 1, when: 'after', deed: { kind: 'stop' } } }
}
