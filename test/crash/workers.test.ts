/** Workers of node:cluster, and worker threads, are clients like any other: R5, R15. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import type { Party } from '../helpers/party.ts'
import { untilWaiting } from '../helpers/lock-directory.ts'
import { scenario } from '../helpers/scenario.ts'

const NAMES = ['a', 'b', 'c', 'd']

for (const kind of ['thread', 'fork'] as const) {
  const what = kind === 'thread' ? 'worker threads' : 'workers of a cluster'

  scenario(`four ${what} hold one at a time, each in its turn (R5)`, async (scene) => {
    const client = await scene.spawn('client')
    const [a, b, c, d] = await Promise.all(NAMES.map((name) => client.startWorker(kind, name)))
    await a!.acquire(scene.path)
    const waiting = [b!, c!, d!]
    for (const [index, worker] of waiting.entries()) {
      worker.send({ do: 'acquire', path: scene.path })
      await untilWaiting(scene.path, index + 1)
    }
    await a!.release()
    for (const worker of waiting) {
      await worker.next('granted')
      await worker.release()
    }
    assert.deepEqual(scene.journal.order(), ['client/a', 'client/b', 'client/c', 'client/d'])
  })

  scenario(`four ${what}, their parent and another process contend: two never hold (R5)`, async (scene) => {
    const [client, other] = await scene.spawnAll('client', 'other')
    const workers = await Promise.all(NAMES.map((name) => client.startWorker(kind, name)))
    const parties: Party[] = [...workers, client, other]
    for (const party of parties) party.send({ do: 'contend', path: scene.path, rounds: 50, counter: scene.counter })
    await Promise.all(parties.map((party) => party.next('done')))
    assert.equal(fs.readFileSync(scene.counter, 'utf8'), '300')
  })

  scenario(`of ${what}, the holder is ended, then a waiter, and the rest continue`, async (scene) => {
    const [client, last] = await scene.spawnAll('client', 'last')
    const [holder, next, doomed] = await Promise.all(NAMES.slice(0, 3).map((name) => client.startWorker(kind, name)))
    await holder!.acquire(scene.path)
    for (const [index, waiter] of [next!, doomed!, last].entries()) {
      waiter.send({ do: 'acquire', path: scene.path })
      await untilWaiting(scene.path, index + 1)
    }
    await doomed!.terminate()
    await holder!.terminate()
    assert.equal((await next!.next('granted')).recovered, true)
    await next!.release()
    await last.next('granted')
    await client.ping()
  })
}

scenario(
  'a process is ended by SIGTERM while one of its threads holds and another waits: the next process gets the lock (R15)',
  async (scene) => {
    const [client, last] = await scene.spawnAll('client', 'last')
    const [holder, waiter] = await Promise.all(['a', 'b'].map((name) => client.startWorker('thread', name)))
    await holder!.acquire(scene.path)
    await waiter!.enqueue(scene.path)
    await last.enqueue(scene.path)
    client.signal('SIGTERM')
    assert.equal((await last.next('granted')).recovered, true)
    assert.equal((await client.ended()).signal, 'SIGTERM')
  },
)

scenario(
  'a process calls process.exit while one of its threads holds: the next process gets the lock',
  async (scene) => {
    const [client, last] = await scene.spawnAll('client', 'last')
    const holder = await client.startWorker('thread', 'a')
    await holder.acquire(scene.path)
    await last.enqueue(scene.path)
    client.send({ do: 'exit', code: 0 })
    assert.equal((await last.next('granted')).recovered, true)
  },
)
