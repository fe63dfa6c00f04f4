/** Between bind(2) and listen(2) a live socket looks dead: R13. The window is opened wide by strace(1). */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import type { Client, ClientOptions } from '../helpers/client.ts'
import { ticketsIn, untilWaiting } from '../helpers/lock-directory.ts'
import { reasonWithout } from '../helpers/privileges.ts'
import type { Scene } from '../helpers/scenario.ts'
import { scenario } from '../helpers/scenario.ts'
import { failEvery, WITH_STEPS } from '../helpers/steps.ts'
import { until } from '../helpers/until.ts'

const DELAYED = [
  'strace',
  '-qq',
  '-f',
  '-o',
  '/dev/null',
  '-e',
  'trace=listen',
  '-e',
  'inject=listen:delay_enter=2000000',
]
const ELSEWHERE = ['unshare', '-p', '-f', '-m', '--mount-proc', '--kill-child']

const skip = reasonWithout('strace', '-f', '-e', 'trace=listen', '-e', 'inject=listen:delay_enter=1', 'true')
const skipElsewhere = skip === false ? reasonWithout(ELSEWHERE[0]!, ...ELSEWHERE.slice(1), 'true') : skip

scenario(
  'while a process is between bind and listen, others contend, and it gets its turn after them (R13)',
  { skip },
  async (scene) => {
    const [slow, a, b, c] = await Promise.all([spawnSlow(scene), scene.spawn('a'), scene.spawn('b'), scene.spawn('c')])
    slow.send({ do: 'acquire', path: scene.path })
    await untilBound(scene, slow)
    // strace is stopped, and so it is kept there for as long as it takes.
    await slow.stop()
    for (const client of [a, b]) client.send({ do: 'contend', path: scene.path, rounds: 50, counter: scene.counter })
    await Promise.all([a, b].map((client) => client.next('done')))
    assert.equal(await c.try(scene.path), true)
    assert.equal(slow.hasSaid('granted'), false)
    await c.release('try')
    slow.continue()
    await slow.next('granted')
    assert.equal(await c.try(scene.path), false)
    await c.enqueue(scene.path)
    await slow.release()
    await c.next('granted')
  },
)

scenario(
  'a process that is killed between bind and listen leaves a socket that a newcomer removes',
  { skip },
  async (scene) => {
    const [slow, next] = await Promise.all([spawnSlow(scene), scene.spawn('next')])
    slow.send({ do: 'acquire', path: scene.path })
    await untilBound(scene, slow)
    await slow.kill()
    // strace, its parent, is dead too, so that it is left to the system's first process to reap it.
    await until('its process id is gone', () => !fs.existsSync(`/proc/${slow.ticketPid}`))
    await next.acquire(scene.path, { linger: 0 })
    await until('it is gone', () => fs.readdirSync(join(scene.path, '.members')).length === 1)
  },
)

scenario(
  'a process in another pid namespace removes a socket between bind and listen as dead: its owner makes another',
  { skip: skipElsewhere },
  async (scene) => {
    const [slow, remover] = await Promise.all([spawnSlow(scene), scene.spawn('remover', { wrapper: ELSEWHERE })])
    slow.send({ do: 'acquire', path: scene.path })
    await untilBound(scene, slow)
    await remover.acquire(scene.path)
    await until('it is swept', () => fs.readdirSync(join(scene.path, '.members')).length === 1)
    await slow.enqueue(scene.path)
    await remover.release()
    await slow.next('granted')
  },
)

scenario('without hard links, a ticket is not visible before it listens', { skip }, async (scene) => {
  const [slow, other] = await Promise.all([spawnSlow(scene, WITH_STEPS), scene.spawn('other')])
  slow.send({ do: 'plan', plan: failEvery(scene.path, 'linkSync', 'EPERM') })
  await other.acquire(scene.path)
  slow.send({ do: 'acquire', path: scene.path })
  const isBoundTwice = (): boolean => membersOf(scene, slow).length === 2
  await until('the socket of the ticket is bound', isBoundTwice)
  assert.equal(ticketsIn(scene.path).length, 1)
  other.send({ do: 'release' }, { do: 'contend', path: scene.path, rounds: 20 })
  await other.next('done')
  await slow.next('granted')
  other.send({ do: 'acquire', path: scene.path })
  await untilWaiting(scene.path, 1, other.ticketPid)
  await slow.release()
  await other.next('granted')
})

async function spawnSlow(scene: Scene, options: ClientOptions = {}): Promise<Client> {
  return await scene.spawn('slow', { ...options, wrapper: DELAYED })
}

async function untilBound(scene: Scene, client: Client): Promise<void> {
  await until('its socket is bound', () => membersOf(scene, client).length === 1)
  assert.deepEqual(ticketsIn(scene.path), [])
}

function membersOf(scene: Scene, client: Client): string[] {
  const members = join(scene.path, '.members')
  if (!fs.existsSync(members)) return []
  return fs.readdirSync(members).filter((name) => name.split('.')[1] === String(client.ticketPid))
}
