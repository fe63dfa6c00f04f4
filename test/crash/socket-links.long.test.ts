/** A file system on which a hard link to a socket does not lead to it, as with the high-level interface of FUSE. `npm run test:file-systems` has real ones. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import type { Client, ClientOptions } from '../helpers/client.ts'
import { Workshop } from '../helpers/intruders.ts'
import { ticketsIn, untilGone } from '../helpers/lock-directory.ts'
import type { Scene } from '../helpers/scenario.ts'
import { Program } from '../helpers/program.ts'
import { scenario } from '../helpers/scenario.ts'
import { pass, until } from '../helpers/until.ts'
import type { WebClient } from '../helpers/web-client.ts'
import { betweenProcesses } from '../helpers/web-client.ts'

const FIXTURE = new URL('../fixtures/dead-links.js', import.meta.url).href
const NO_LOOK = new URL('../fixtures/no-look.js', import.meta.url).href
const DEAD_LINKS: ClientOptions = { preload: FIXTURE }
/** For a program: as the preloaded fixture; and no socket can be moved into the queue, as in a union of several branches. */
const WITH_DEAD_LINKS = `await import(${JSON.stringify(FIXTURE)})\n`
const NO_MOVES = `${WITH_DEAD_LINKS}
const { renameSync } = fs
fs.renameSync = (from, to) => {
  if (to.includes('.members')) return renameSync(from, to)
  throw Object.assign(new Error('EXDEV'), { code: 'EXDEV' })
}
;(await import('node:module')).syncBuiltinESMExports()
`
const LEAVE = { linger: 0 }
const STAY = { linger: 60_000 }

scenario('where links to sockets fail, a live ticket is waited for, and a dead one is detected', async (scene) => {
  const [holder, waiter, last] = await spawnAll(scene, 'holder', 'waiter', 'last')
  await holder.acquire(scene.path)
  assert.equal(await waiter.try(scene.path), false)
  await waiter.enqueue(scene.path)
  await last.enqueue(scene.path)
  await holder.kill()
  assert.equal((await waiter.next('granted')).recovered, true)
  await waiter.release()
  assert.equal((await last.next('granted')).recovered, false)
})

scenario('where links to sockets fail, processes contend, and leave nothing behind', async (scene) => {
  const clients = await spawnAll(scene, 'a', 'b', 'c', 'd')
  for (const [index, client] of clients.entries())
    client.send({
      do: 'contend',
      path: scene.path,
      rounds: 50,
      options: index % 2 === 0 ? LEAVE : {},
      counter: scene.counter,
    })
  await Promise.all(clients.map((client) => client.next('done')))
  await untilGone(scene.path)
})

scenario('where links to sockets fail, that is tested once for each member, not for each ticket', async (scene) => {
  const [client, beside] = await spawnAll(scene, 'client', 'beside')
  for (let round = 0; round < 3; round += 1) {
    await client.acquire(scene.path, STAY)
    assert.equal(await beside.try(scene.path), false)
    // The member's socket, and not one link that was tried.
    assert.deepEqual(
      readdirSync(join(scene.path, '.members')).filter((name) => name.includes(`.${client.pid}`)).length,
      1,
    )
    assert.equal(ticketsIn(scene.path).length, 1)
    await client.release()
  }
})

scenario('where links to sockets fail, a process that exits during that test leaves nothing behind', async (scene) => {
  const exits = 'slocket(lockPath).catch(() => {}); setImmediate(() => process.exit())'
  const { code, stderr } = await new Program(scene.path, exits, { before: WITH_DEAD_LINKS }).ended()
  assert.equal(code, 0, stderr)
  assert.equal(existsSync(scene.path), false)
})

scenario(
  'where links to sockets fail, a process that exits right after slocket.sync leaves nothing behind',
  async (scene) => {
    const exits = `
    const lock = slocket.sync(lockPath, { linger: 0 })
    say(fs.readdirSync(lockPath + '/.members').length)
    lock.release()
    process.exit()`
    const { code, said, stderr } = await new Program(scene.path, exits, { before: WITH_DEAD_LINKS }).ended()
    assert.equal(code, 0, stderr)
    // That of the thread that holds.
    assert.deepEqual(said, [1])
    assert.equal(existsSync(scene.path), false)
  },
)

scenario(
  'if a socket cannot be moved into the queue, nothing stays open, and nothing is left behind',
  async (scene) => {
    const asks = `
    const descriptors = () => fs.readdirSync('/proc/self/fd').length
    const ask = () => slocket(lockPath, { linger: 0 }).catch(({ code }) => code)
    say(await ask())
    const before = descriptors()
    for (let count = 0; count < 3; count += 1) await ask()
    say(descriptors() - before)
    say(fs.existsSync(lockPath))`
    const { code, said, stderr } = await new Program(scene.path, asks, { before: NO_MOVES }).ended()
    assert.equal(code, 0, stderr)
    assert.deepEqual(said, ['ERR_SLOCKET_NO_SOCKETS', 0, false])
  },
)

betweenProcesses('where links to sockets fail, victims of a theft are notified', async (scene) => {
  // Without the look once a second, nothing but the thief lets the holder know.
  const [holder, thief] = [await scene.start('process', NO_LOOK, FIXTURE), await scene.start('process', FIXTURE)]
  for (let round = 0; round < 3; round += 1) {
    await holder.hold('lock')
    await thief.hold('lock', { steal: true })
    await holder.next('rejected', 'lock')
    await thief.end('lock')
  }
})

for (const [when, isStolenFirst] of [
  ['before', false],
  ['after', true],
] as const) {
  betweenProcesses(
    `where links to sockets fail, a process that dies ${when} a theft leaves no marks behind`,
    async (scene) => {
      const clients = [1, 2, 3].map(() => scene.start('process', FIXTURE))
      const [first, holder, thief] = (await Promise.all(clients)) as [WebClient, WebClient, WebClient]
      await first.hold('lock')
      // It also has the mark of a ticket that has waiters.
      await holder.wait('lock')
      await first.end('lock')
      await holder.next('called', 'lock')
      if (isStolenFirst) process.kill(holder.pid, 'SIGSTOP')
      else await holder.kill()
      await thief.hold('lock', { steal: true })
      if (isStolenFirst) await holder.kill()
      await thief.end('lock')
      // The next user of the root finds out which clients are dead.
      const next = await scene.start('process', FIXTURE)
      await next.hold('other')
      await next.end('other')
      await until('the root is gone', () => !existsSync(scene.root))
    },
  )
}

async function spawnAll<const Names extends readonly string[]>(
  scene: Scene,
  ...names: Names
): Promise<{ [Name in keyof Names]: Client }> {
  return (await Promise.all(names.map((name) => scene.spawn(name, DEAD_LINKS)))) as { [Name in keyof Names]: Client }
}

scenario(
  'a holder whose ticket leads to another inode for a moment is waited for, not reported as out of reach',
  async (scene) => {
    const workshop = new Workshop(scene)
    await workshop.prepare()
    const [holder, waiter] = await scene.spawnAll('holder', 'waiter')
    await holder.acquire(scene.path)
    await holder.stop()
    const [ticket] = ticketsIn(scene.path)
    const [place, aside] = [join(scene.path, ticket!.name), join(scene.directory, 'aside')]
    renameSync(place, aside)
    workshop.put(scene.path, { name: ticket!.name, kind: 'dead socket' })
    waiter.send({ do: 'acquire', path: scene.path })
    await pass(100)
    assert.equal(waiter.hasSaid('granted') || waiter.hasSaid('failed'), false)
    renameSync(aside, place)
    holder.continue()
    await holder.release()
    assert.equal((await waiter.next('granted')).recovered, false)
  },
)
