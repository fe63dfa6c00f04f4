/** Processes in namespaces of their own (containers) that share a lock's directory. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import {
  CONTAINER,
  CONTAINER_WITH_INIT,
  killInit,
  reasonWithoutContainer,
  USER_CONTAINER,
} from '../helpers/container.ts'
import { ticketsIn, untilWaiting } from '../helpers/lock-directory.ts'
import type { Client } from '../helpers/client.ts'
import { useOnceAndCleanUp, takeTurns } from '../helpers/party.ts'
import { reasonWithout } from '../helpers/privileges.ts'
import type { Scene } from '../helpers/scenario.ts'
import { scenario } from '../helpers/scenario.ts'
import { pass } from '../helpers/until.ts'

const OTHER_CLOCKS = ['100000', '-100'].map((seconds) => [
  'unshare',
  '-T',
  '-f',
  '--kill-child',
  '--monotonic',
  seconds,
])

/** How long after its link a ticket has certainly joined, or withdrawn. */
const SETTLED_MS = 300

const skip = reasonWithoutContainer()
const skipClock = reasonWithout(OTHER_CLOCKS[0]![0]!, ...OTHER_CLOCKS[0]!.slice(1), 'true')

scenario(
  'processes in their own pid, network and mount namespaces contend with one outside',
  { skip },
  async (scene) => {
    const clients = await Promise.all([
      scene.spawn('outside'),
      scene.spawn('a', { wrapper: CONTAINER }),
      scene.spawn('b', { wrapper: CONTAINER }),
    ])
    for (const client of clients) client.send({ do: 'contend', path: scene.path, rounds: 50, counter: scene.counter })
    await Promise.all(clients.map((client) => client.next('done')))
    assert.equal(fs.readFileSync(scene.counter, 'utf8'), '150')
  },
)

scenario(
  'after a container is killed, the next one gets its lock, inside or outside, even if it cannot see process ids',
  { skip },
  async (scene) => {
    const [a, b, outside, last] = await Promise.all([
      scene.spawn('a', { wrapper: CONTAINER }),
      scene.spawn('b', { wrapper: CONTAINER }),
      scene.spawn('outside'),
      scene.spawn('last', { wrapper: CONTAINER }),
    ])
    await a.acquire(scene.path)
    assert.equal(ticketsIn(scene.path)[0]!.pid, 1, 'both containers have the same process ids')
    b.send({ do: 'acquire', path: scene.path })
    await untilWaiting(scene.path, 1)
    outside.send({ do: 'acquire', path: scene.path })
    await untilWaiting(scene.path, 2)
    await a.kill()
    assert.equal((await b.next('granted')).recovered, true)
    await b.kill()
    assert.equal((await outside.next('granted')).recovered, true)
    await outside.release()
    assert.equal(await last.try(scene.path), true)
  },
)

scenario(
  'what killed containers leave, all with process id 1, is removed by a newcomer in another container',
  { skip },
  async (scene) => {
    const doomed = await Promise.all(['a', 'b', 'c'].map((name) => scene.spawn(name, { wrapper: CONTAINER })))
    const newcomer = await scene.spawn('newcomer', { wrapper: CONTAINER })
    for (const client of doomed) {
      await client.acquire(scene.path)
      await client.kill()
    }
    await useOnceAndCleanUp(newcomer, scene.path)
  },
)

scenario(
  'a holder in a container is not taken for dead by a process that does not see its process id',
  { skip },
  async (scene) => {
    const [inside, outside] = await Promise.all([scene.spawn('inside', { wrapper: CONTAINER }), scene.spawn('outside')])
    await outside.acquire(scene.path)
    assert.equal(await inside.try(scene.path), false)
    inside.send({ do: 'acquire', path: scene.path })
    await untilWaiting(scene.path, 1)
    await outside.release()
    await inside.next('granted')
    assert.equal(await outside.try(scene.path), false)
  },
)

scenario(
  "kill -9 of a container's first process, while another one in it holds, frees the lock for the next one: ten times",
  { skip },
  async (scene) => {
    const spawn = (round: number): Promise<Client> => scene.spawn(`c${round}`, { wrapper: CONTAINER_WITH_INIT })
    const outside = await scene.spawn('outside')
    let holder = await spawn(0)
    assert.equal(holder.ticketPid, 2)
    await holder.acquire(scene.path)
    for (let round = 1; round <= 10; round += 1) {
      const next = await spawn(round)
      next.send({ do: 'acquire', path: scene.path })
      await untilWaiting(scene.path, 1)
      await killInit(holder, scene.journal)
      assert.equal((await next.next('granted')).recovered, true)
      assert.equal(await outside.try(scene.path), false)
      holder = next
    }
    await holder.release()
    await useOnceAndCleanUp(outside, scene.path)
  },
)

scenario('containers and a process outside get the lock in the order of their requests', { skip }, async (scene) => {
  const clients = await Promise.all([
    scene.spawn('a', { wrapper: CONTAINER }),
    scene.spawn('outside'),
    scene.spawn('b', { wrapper: CONTAINER_WITH_INIT }),
    scene.spawn('c', { wrapper: CONTAINER }),
  ])
  await haveItInTurn(clients, scene)
})

for (const [kind, wrapper] of [
  ['its root is the user outside', USER_CONTAINER],
  ['it knows no user', ['unshare', '-U']],
] as const) {
  scenario(
    `a process in its own user namespace takes part like any other: ${kind}`,
    { skip: reasonWithoutContainer(wrapper) },
    async (scene) => {
      const [outside, inside] = await Promise.all([scene.spawn('outside'), scene.spawn('inside', { wrapper })])
      await haveItInTurn([outside, inside], scene)
      await inside.acquire(scene.path)
      outside.send({ do: 'acquire', path: scene.path })
      await untilWaiting(scene.path, 1)
      await inside.kill()
      assert.equal((await outside.next('granted')).recovered, true)
      await outside.release()
      await useOnceAndCleanUp(outside, scene.path)
    },
  )
}

for (const wrapper of OTHER_CLOCKS) {
  scenario(
    `a process whose clock is ${wrapper.at(-1)} s ahead gets growing tokens, and no better place in the queue`,
    { skip: skipClock },
    async (scene) => {
      const [a, shifted, b] = await Promise.all([
        scene.spawn('a'),
        scene.spawn('shifted', { wrapper }),
        scene.spawn('b'),
      ])
      const inTurn = [shifted, b, shifted, a, shifted]
      await a.acquire(scene.path, {}, 'first')
      for (const [index, client] of inTurn.entries()) {
        client.send({ do: 'acquire', path: scene.path, as: String(index) })
        await untilWaiting(scene.path, index + 1)
        // On a busy machine, a process may stop for longer between its link and its listing than a ticket counts as joining. It may still withdraw then, and
        // come behind the next one.
        await pass(SETTLED_MS)
        await untilWaiting(scene.path, index + 1)
      }
      await a.release('first')
      for (const [index, client] of inTurn.entries()) {
        await client.next('granted', String(index))
        await client.release(String(index))
      }
      // The journal has verified the tokens.
      assert.deepEqual(scene.journal.order(), ['a', ...inTurn.map(({ name }) => name)])
      for (const client of [a, shifted, b]) client.send({ do: 'acquire', path: scene.path })
      await takeTurns([a, shifted, b])
    },
  )
}

async function haveItInTurn(clients: readonly Client[], scene: Scene): Promise<void> {
  await clients[0]!.acquire(scene.path)
  for (const [index, client] of clients.slice(1).entries()) {
    client.send({ do: 'acquire', path: scene.path })
    await untilWaiting(scene.path, index + 1)
  }
  for (const client of clients) {
    if (client !== clients[0]) await client.next('granted')
    await client.release()
  }
  assert.deepEqual(
    scene.journal.order(),
    clients.map(({ name }) => name),
  )
}
