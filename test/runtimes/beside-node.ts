/** Processes of another runtime and of Node that use one lock together. Tokens and holders are verified by the journal. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { nextToken } from '../../src/engines/local/platform/kernel.ts'
import slocket from '../../src/index.ts'
import type { Client } from '../helpers/client.ts'
import type { PlainOptions } from '../helpers/commands.ts'
import { untilGone, untilWaiting } from '../helpers/lock-directory.ts'
import type { Runtime } from '../helpers/runtime.ts'
import { NODE } from '../helpers/runtime.ts'
import type { Scene } from '../helpers/scenario.ts'
import { scenario } from '../helpers/scenario.ts'

export interface Other {
  readonly name: string
  readonly runtime: Runtime
  /** Why it isn't there; false if it is. */
  readonly skip: string | false
}

const LEAVE: PlainOptions = { linger: 0 }
const SHARED: PlainOptions = { mode: 'shared' }
const SEMAPHORE: PlainOptions = { permits: 2 }

export function testBesideNode(other: Other): void {
  testTurns(other)
  testPairs(other)
  testClaims(other)
  testQuery(other)
  testEnds(other)
  testThreadsAndPaths(other)
  testTokens(other)
}

function testTurns({ name, runtime, skip }: Other): void {
  scenario(
    `three processes of ${name} and three of Node contend, and leave nothing behind`,
    { skip },
    async (scene) => {
      const clients = await spawnBoth(scene, runtime, 3)
      for (const client of clients)
        client.send({ do: 'contend', path: scene.path, rounds: 30, counter: scene.counter, options: LEAVE })
      await Promise.all(clients.map((client) => client.next('done')))
      assert.equal(fs.readFileSync(scene.counter, 'utf8'), '180')
      await untilGone(scene.path)
    },
  )

  scenario('they get the lock in the order of their requests', { skip }, async (scene) => {
    const clients = await spawnBoth(scene, runtime, 3)
    await clients[0]!.acquire(scene.path)
    for (const client of clients.slice(1)) await client.enqueue(scene.path)
    for (const client of clients) {
      if (client !== clients[0]) await client.next('granted')
      await client.release()
    }
    assert.deepEqual(
      scene.journal.order(),
      clients.map((client) => client.name),
    )
  })

  scenario(
    `one process of ${name} and one of Node that block get it in turn, and hold it while they block`,
    { skip },
    async (scene) => {
      const [other, node] = await Promise.all([
        scene.spawn('other', { runtime }),
        scene.spawn('node', { runtime: NODE }),
      ])
      other.send({ do: 'sync', path: scene.path })
      await other.next('granted')
      node.send({ do: 'sync', path: scene.path })
      await untilWaiting(scene.path, 1)
      await other.release()
      await node.next('granted')
      other.send({ do: 'sync', path: scene.path })
      await untilWaiting(scene.path, 1)
      await node.kill()
      assert.equal((await other.next('granted')).recovered, true)
    },
  )
}

function testPairs({ name, runtime, skip }: Other): void {
  const nameOf = (one: Runtime): string => (one === runtime ? name : 'Node')
  for (const [holding, waiting] of [
    [runtime, NODE],
    [NODE, runtime],
    [runtime, runtime],
  ] as const) {
    const title = `${nameOf(holding)} holds, ${nameOf(waiting)} waits: `

    scenario(
      `${title}a try is refused; after kill -9 the waiter gets the lock, with recovered`,
      { skip },
      async (scene) => {
        const [holder, waiter, third] = await Promise.all([
          scene.spawn('holder', { runtime: holding }),
          scene.spawn('waiter', { runtime: waiting }),
          scene.spawn('third', { runtime: holding }),
        ])
        await holder.acquire(scene.path)
        assert.equal(await waiter.try(scene.path), false)
        await waiter.enqueue(scene.path)
        await third.enqueue(scene.path)
        await holder.kill()
        assert.equal((await waiter.next('granted')).recovered, true)
        await waiter.release()
        assert.equal((await third.next('granted')).recovered, false)
        await third.kill()
        assert.equal(await waiter.try(scene.path, LEAVE), true, 'nobody waits, and a killed one holds')
        await waiter.release('try')
        await untilGone(scene.path)
      },
    )

    scenario(
      `${title}a stopped holder keeps it, and a stopped waiter gets its turn when it continues`,
      { skip },
      async (scene) => {
        const [holder, waiter] = await Promise.all([
          scene.spawn('holder', { runtime: holding }),
          scene.spawn('waiter', { runtime: waiting }),
        ])
        await holder.acquire(scene.path)
        await holder.stop()
        assert.equal(await waiter.try(scene.path), false)
        await waiter.enqueue(scene.path)
        holder.continue()
        assert.equal(await holder.isHolding(), true)
        await waiter.stop()
        await holder.release()
        waiter.continue()
        await waiter.next('granted')
      },
    )
  }
}

function testClaims({ runtime, skip }: Other): void {
  scenario('shared holders hold together, and an exclusive request waits for all of them', { skip }, async (scene) => {
    const [other, node] = await spawnBoth(scene, runtime, 1)
    const writer = await scene.spawn('writer', { runtime })
    await other!.acquire(scene.path, SHARED)
    await node!.acquire(scene.path, SHARED)
    await writer.enqueue(scene.path)
    await other!.release()
    assert.equal(writer.hasSaid('granted'), false)
    await node!.kill()
    await writer.next('granted')
  })

  scenario('readers, writers', { skip }, async (scene) => {
    const clients = await spawnBoth(scene, runtime, 3)
    for (const [index, client] of clients.entries())
      client.send({ do: 'contend', path: scene.path, rounds: 20, options: index < 4 ? SHARED : {} })
    await Promise.all(clients.map((client) => client.next('done')))
    assert.equal(scene.journal.grants().length, 120)
  })

  scenario('two permits: the third request waits, and gets that of a killed holder', { skip }, async (scene) => {
    const [other, node, third, fourth] = (await spawnBoth(scene, runtime, 2)) as [Client, Client, Client, Client]
    await other.acquire(scene.path, SEMAPHORE)
    await node.acquire(scene.path, SEMAPHORE)
    await third.enqueue(scene.path, SEMAPHORE)
    await fourth.enqueue(scene.path, SEMAPHORE)
    await other.kill()
    assert.equal((await third.next('granted')).recovered, true)
    await node.release()
    await fourth.next('granted')
  })
}

function testQuery({ runtime, skip }: Other): void {
  scenario('a query shows the holder and the waiter, whoever asks', { skip }, async (scene) => {
    const [other, node, late] = await Promise.all([
      scene.spawn('other', { runtime }),
      scene.spawn('node', { runtime: NODE }),
      scene.spawn('late', { runtime }),
    ])
    await other.acquire(scene.path, { label: 'the first' })
    await node.enqueue(scene.path, { label: 'the second' })
    // Who does not answer within 200 ms, on a busy machine, is shown without a label.
    for (let labels: unknown[] = []; !labels.every((label) => label !== undefined) || labels.length === 0;) {
      const { held, pending } = await slocket.query(scene.path)
      assert.deepEqual([held.map(({ pid }) => pid), pending.map(({ pid }) => pid)], [[other.pid], [node.pid]])
      assert.ok(Math.abs(held[0]!.since!.getTime() - Date.now()) < 3_600_000)
      labels = [held[0]!.label, pending[0]!.label]
      if (labels[0] !== undefined) assert.match(held[0]!.command!, /client\.js other/)
    }
    const { code, message } = await late.fail(scene.path, { timeout: 0 })
    assert.equal(code, 'ERR_SLOCKET_TIMEOUT')
    assert.match(message!, new RegExp(`held by pid ${other.pid} .*1 waiting ahead`))
  })
}

function testEnds({ name, runtime, skip }: Other): void {
  for (const end of ['process.exit', 'an uncaught exception', 'SIGTERM'] as const) {
    scenario(`${name} ends by ${end} while it holds and waits: the next one gets the lock`, { skip }, async (scene) => {
      const [holder, waiter, node] = await Promise.all([
        scene.spawn('holder', { runtime }),
        scene.spawn('waiter', { runtime }),
        scene.spawn('node', { runtime: NODE }),
      ])
      await holder.acquire(scene.path)
      await waiter.enqueue(scene.path)
      await node.enqueue(scene.path)
      for (const client of [waiter, holder]) {
        // Deno tells nobody of its exit after an uncaught exception.
        scene.journal.write({ kind: '!', who: client.name })
        if (end === 'SIGTERM') client.signal('SIGTERM')
        else client.send(end === 'process.exit' ? { do: 'exit', code: 0 } : { do: 'throw' })
        await client.ended()
      }
      assert.equal((await node.next('granted')).recovered, true)
    })
  }
}

function testThreadsAndPaths({ name, runtime, skip }: Other): void {
  scenario(`a worker thread of ${name} takes part, and its end frees its lock`, { skip }, async (scene) => {
    const [other, node] = (await spawnBoth(scene, runtime, 1)) as [Client, Client]
    const thread = await other.startWorker('thread', 'thread')
    await thread.acquire(scene.path)
    node.send({ do: 'acquire', path: scene.path })
    await untilWaiting(scene.path, 1)
    other.send({ do: 'acquire', path: scene.path })
    await untilWaiting(scene.path, 2)
    await thread.terminate()
    await node.next('granted')
    await node.release()
    await other.next('granted')
  })

  scenario('locks at a path that is too long for a socket work as well', { skip }, async (scene) => {
    const directory = join(scene.directory, 'd'.repeat(120))
    fs.mkdirSync(directory)
    const path = join(directory, 'lock')
    const [other, node] = (await spawnBoth(scene, runtime, 1)) as [Client, Client]
    await other.acquire(path)
    await node.enqueue(path)
    await other.release()
    await node.next('granted')
    await other.enqueue(path)
    await node.kill()
    await other.next('granted')
  })

  scenario(`${name} notices that its lock was removed from outside`, { skip }, async (scene) => {
    const other = await scene.spawn('other', { runtime })
    await other.acquire(scene.path)
    fs.rmSync(scene.path, { recursive: true })
    assert.equal((await other.next('lost')).code, 'ERR_SLOCKET_LOST')
  })

  scenario(`${name} is not kept alive by a held lock, but by a wait`, { skip }, async (scene) => {
    const [holder, waiter] = (await spawnBoth(scene, runtime, 1)) as [Client, Client]
    const otherWaiter = await scene.spawn('otherWaiter', { runtime })
    await holder.acquire(scene.path)
    await waiter.enqueue(scene.path)
    await otherWaiter.enqueue(scene.path)
    otherWaiter.send({ do: 'detach' })
    await otherWaiter.next('detached')
    holder.send({ do: 'detach' })
    assert.equal((await holder.ended()).code, 0)
    await waiter.next('granted')
    assert.equal(otherWaiter.exit, undefined)
    await waiter.release()
    await otherWaiter.next('granted')
    assert.equal((await otherWaiter.ended()).code, 0)
  })
}

function testTokens({ name, runtime, skip }: Other): void {
  test(`tokens of Node and ${name} grow in turn`, { skip }, async () => {
    const [program, ...parameters] = [
      ...runtime.command,
      fileURLToPath(new URL('../fixtures/tokens.js', import.meta.url)),
    ]
    const other = spawn(program, parameters, {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...runtime.env },
    })
    try {
      const lines = createInterface({ input: other.stdout })[Symbol.asyncIterator]()
      assert.equal((await lines.next()).value, 'ready')
      for (let round = 0; round < 300; round += 1) {
        const before = nextToken()
        other.stdin.write('\n')
        const between = BigInt((await lines.next()).value as string)
        const after = nextToken()
        assert.ok(before < between && between < after, `${before}, ${between} of ${name}, ${after}`)
      }
    } finally {
      other.kill('SIGKILL')
    }
  })
}

/** So many of each, in turn: other0, node0, other1, … */
async function spawnBoth(scene: Scene, runtime: Runtime, count: number): Promise<Client[]> {
  const names = Array.from({ length: count }, (_, index) => index)
  const pairs = await Promise.all(
    names.map((index) =>
      Promise.all([scene.spawn(`other${index}`, { runtime }), scene.spawn(`node${index}`, { runtime: NODE })]),
    ),
  )
  return pairs.flat()
}
