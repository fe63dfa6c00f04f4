/** Processes in namespaces of their own (containers) that share a lock's directory. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { ticketsIn, untilWaiting } from '../helpers/lock-directory.ts'
import { sweep, takeTurns } from '../helpers/party.ts'
import { reasonWithout } from '../helpers/privileges.ts'
import { scenario } from '../helpers/scenario.ts'

const CONTAINER = ['unshare', '-p', '-f', '-n', '-m', '--mount-proc', '--kill-child']
const OTHER_CLOCKS = ['100000', '-100'].map((seconds) => [
  'unshare',
  '-T',
  '-f',
  '--kill-child',
  '--monotonic',
  seconds,
])

const skip = reasonWithout(CONTAINER[0]!, ...CONTAINER.slice(1), 'true')
const skipClock = reasonWithout(OTHER_CLOCKS[0]![0]!, ...OTHER_CLOCKS[0]!.slice(1), 'true')

scenario(
  'processes in pid, network and mount namespaces of their own and one outside contend',
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
  'a killed container gives its lock to the next one, inside or outside, who cannot see its process ids',
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
  'what killed containers leave, all of process id 1, is removed by a newcomer in another container',
  { skip },
  async (scene) => {
    const doomed = await Promise.all(['a', 'b', 'c'].map((name) => scene.spawn(name, { wrapper: CONTAINER })))
    const newcomer = await scene.spawn('newcomer', { wrapper: CONTAINER })
    for (const client of doomed) {
      await client.acquire(scene.path)
      await client.kill()
    }
    await sweep(newcomer, scene.path)
  },
)

scenario(
  'a holder in a container is not taken for dead by one who sees no such process id',
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

for (const wrapper of OTHER_CLOCKS) {
  scenario(
    `a process whose clock is ${wrapper.at(-1)} s ahead gets growing tokens, and no other place in the queue`,
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
