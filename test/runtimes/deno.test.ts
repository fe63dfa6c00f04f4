/** Processes of Deno and of Node that use one lock together. Tokens and holders are verified by the journal. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { nextToken } from '../../src/engines/local/platform/kernel.ts'
import slocket from '../../src/index.ts'
import type { Client } from '../helpers/client.ts'
import type { PlainOptions } from '../helpers/commands.ts'
import { untilGone, untilWaiting } from '../helpers/lock-directory.ts'
import { DENO, NODE, skipDeno } from '../helpers/runtime.ts'
import type { Scene, ScenarioOptions } from '../helpers/scenario.ts'
import { scenario } from '../helpers/scenario.ts'

const skip: ScenarioOptions = { skip: skipDeno }
const LEAVE: PlainOptions = { linger: 0 }
const SHARED: PlainOptions = { mode: 'shared' }
const SEMAPHORE: PlainOptions = { permits: 2 }

scenario('three of Deno and three of Node contend, and leave nothing behind', skip, async (scene) => {
  const clients = await spawnBoth(scene, 3)
  for (const client of clients)
    client.send({ do: 'contend', path: scene.path, rounds: 30, counter: scene.counter, options: LEAVE })
  await Promise.all(clients.map((client) => client.next('done')))
  assert.equal(fs.readFileSync(scene.counter, 'utf8'), '180')
  await untilGone(scene.path)
})

scenario('they have the lock in the order in which they came', skip, async (scene) => {
  const clients = await spawnBoth(scene, 3)
  await clients[0]!.acquire(scene.path)
  for (const client of clients.slice(1)) await client.enqueue(scene.path)
  for (const client of clients) {
    if (client !== clients[0]) await client.next('granted')
    await client.release()
  }
  assert.deepEqual(
    scene.journal.order(),
    clients.map(({ name }) => name),
  )
})

scenario(
  'one of Deno and one of Node that block have it in their turn, and it holds while they block',
  skip,
  async (scene) => {
    const [deno, node] = await Promise.all([
      scene.spawn('deno', { runtime: DENO }),
      scene.spawn('node', { runtime: NODE }),
    ])
    deno.send({ do: 'sync', path: scene.path })
    await deno.next('granted')
    node.send({ do: 'sync', path: scene.path })
    await untilWaiting(scene.path, 1)
    await deno.release()
    await node.next('granted')
    deno.send({ do: 'sync', path: scene.path })
    await untilWaiting(scene.path, 1)
    await node.kill()
    assert.equal((await deno.next('granted')).recovered, true)
  },
)

for (const [holding, waiting] of [
  [DENO, NODE],
  [NODE, DENO],
  [DENO, DENO],
] as const) {
  const title = `${nameOf(holding)} holds, ${nameOf(waiting)} waits: `

  scenario(
    `${title}a try is refused; after kill -9 the one who waits has it, and learns of it`,
    skip,
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
    `${title}a stopped holder keeps it, and a stopped waiter has its turn once continued`,
    skip,
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

scenario('those who share hold together, and one who does not waits for both', skip, async (scene) => {
  const [deno, node] = await spawnBoth(scene, 1)
  const writer = await scene.spawn('writer', { runtime: DENO })
  await deno!.acquire(scene.path, SHARED)
  await node!.acquire(scene.path, SHARED)
  await writer.enqueue(scene.path)
  await deno!.release()
  assert.equal(writer.hasSaid('granted'), false)
  await node!.kill()
  await writer.next('granted')
})

scenario('readers, writers', skip, async (scene) => {
  const clients = await spawnBoth(scene, 3)
  for (const [index, client] of clients.entries())
    client.send({ do: 'contend', path: scene.path, rounds: 20, options: index < 4 ? SHARED : {} })
  await Promise.all(clients.map((client) => client.next('done')))
  assert.equal(scene.journal.grants().length, 120)
})

scenario('two permits among them: the third waits, and has that of one who was killed', skip, async (scene) => {
  const [deno, node, third, fourth] = (await spawnBoth(scene, 2)) as [Client, Client, Client, Client]
  await deno.acquire(scene.path, SEMAPHORE)
  await node.acquire(scene.path, SEMAPHORE)
  await third.enqueue(scene.path, SEMAPHORE)
  await fourth.enqueue(scene.path, SEMAPHORE)
  await deno.kill()
  assert.equal((await third.next('granted')).recovered, true)
  await node.release()
  await fourth.next('granted')
})

scenario('a query shows the holder and the waiter, whoever asks', skip, async (scene) => {
  const [deno, node, late] = await Promise.all([
    scene.spawn('deno', { runtime: DENO }),
    scene.spawn('node'),
    scene.spawn('late', { runtime: DENO }),
  ])
  await deno.acquire(scene.path, { label: 'the first' })
  await node.enqueue(scene.path, { label: 'the second' })
  // Who does not answer within 200 ms, on a busy machine, is shown without a label.
  for (let labels: unknown[] = []; !labels.every((label) => label !== undefined) || labels.length === 0;) {
    const { held, pending } = await slocket.query(scene.path)
    assert.deepEqual([held.map(({ pid }) => pid), pending.map(({ pid }) => pid)], [[deno.pid], [node.pid]])
    assert.ok(Math.abs(held[0]!.since!.getTime() - Date.now()) < 3_600_000)
    labels = [held[0]!.label, pending[0]!.label]
    if (labels[0] !== undefined) assert.match(held[0]!.command!, /client\.js deno/)
  }
  const { code, message } = await late.fail(scene.path, { timeout: 0 })
  assert.equal(code, 'ERR_SLOCKET_TIMEOUT')
  assert.match(message!, new RegExp(`held by pid ${deno.pid} .*1 waiting ahead`))
})

for (const end of ['process.exit', 'an uncaught exception', 'SIGTERM'] as const) {
  scenario(`Deno ends by ${end} while it holds and waits: the next one has it`, skip, async (scene) => {
    const [deno, other, node] = await Promise.all([
      scene.spawn('deno', { runtime: DENO }),
      scene.spawn('other', { runtime: DENO }),
      scene.spawn('node'),
    ])
    await deno.acquire(scene.path)
    await other.enqueue(scene.path)
    await node.enqueue(scene.path)
    for (const client of [other, deno]) {
      // Deno tells nobody of its exit after an uncaught exception.
      scene.journal.write({ kind: '!', who: client.name })
      if (end === 'SIGTERM') client.signal('SIGTERM')
      else client.send(end === 'process.exit' ? { do: 'exit', code: 0 } : { do: 'throw' })
      await client.ended()
    }
    assert.equal((await node.next('granted')).recovered, true)
  })
}

scenario('a worker thread of Deno takes part, and its end frees what it held', skip, async (scene) => {
  const [deno, node] = (await spawnBoth(scene, 1)) as [Client, Client]
  const thread = await deno.startWorker('thread', 'thread')
  await thread.acquire(scene.path)
  node.send({ do: 'acquire', path: scene.path })
  await untilWaiting(scene.path, 1)
  deno.send({ do: 'acquire', path: scene.path })
  await untilWaiting(scene.path, 2)
  await thread.terminate()
  await node.next('granted')
  await node.release()
  await deno.next('granted')
})

scenario('at a path that is too long for a socket they meet as well', skip, async (scene) => {
  const directory = join(scene.directory, 'd'.repeat(120))
  fs.mkdirSync(directory)
  const path = join(directory, 'lock')
  const [deno, node] = (await spawnBoth(scene, 1)) as [Client, Client]
  await deno.acquire(path)
  await node.enqueue(path)
  await deno.release()
  await node.next('granted')
  await deno.enqueue(path)
  await node.kill()
  await deno.next('granted')
})

scenario('Deno learns that its lock was removed from outside', skip, async (scene) => {
  const deno = await scene.spawn('deno', { runtime: DENO })
  await deno.acquire(scene.path)
  fs.rmSync(scene.path, { recursive: true })
  assert.equal((await deno.next('lost')).code, 'ERR_SLOCKET_LOST')
})

scenario('Deno is not kept alive by a lock that it holds, and is by one that it waits for', skip, async (scene) => {
  const [holder, waiter] = (await spawnBoth(scene, 1)) as [Client, Client]
  const denoWaiter = await scene.spawn('denoWaiter', { runtime: DENO })
  await holder.acquire(scene.path)
  await waiter.enqueue(scene.path)
  await denoWaiter.enqueue(scene.path)
  denoWaiter.send({ do: 'detach' })
  await denoWaiter.next('detached')
  holder.send({ do: 'detach' })
  assert.equal((await holder.ended()).code, 0)
  await waiter.next('granted')
  assert.equal(denoWaiter.exit, undefined)
  await waiter.release()
  await denoWaiter.next('granted')
  assert.equal((await denoWaiter.ended()).code, 0)
})

test('without the right to read /proc, Deno is refused before anything is made', skip, async () => {
  const directory = fs.mkdtempSync(join(tmpdir(), 'slocket-deno-'))
  try {
    const program = join(directory, 'program.mjs')
    const slocketUrl = new URL('../../src/index.js', import.meta.url).href
    fs.writeFileSync(
      program,
      `import slocket from ${JSON.stringify(slocketUrl)}
       const path = ${JSON.stringify(join(directory, 'lock'))}
       for (const act of [() => slocket(path), () => slocket.try(path), () => slocket.query(path)])
         console.log(await act().catch((error) => error.code))`,
    )
    const [deno] = DENO.command
    const rights = ['--allow-read', '--allow-write', '--allow-env', '--allow-sys', '--allow-net', '--no-prompt']
    const env = { ...process.env, ...DENO.env }
    const { stdout } = await promisify(execFile)(deno, ['run', ...rights, program], { env })
    assert.equal(stdout, 'ERR_SLOCKET_UNSUPPORTED_PLATFORM\n'.repeat(3))
    assert.deepEqual(fs.readdirSync(directory), ['program.mjs'])
  } finally {
    fs.rmSync(directory, { recursive: true })
  }
})

test('tokens that Node and Deno take in turn grow', skip, async () => {
  const [program, ...parameters] = [...DENO.command, fileURLToPath(new URL('../fixtures/tokens.js', import.meta.url))]
  const deno = spawn(program, parameters, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...DENO.env } })
  try {
    const lines = createInterface({ input: deno.stdout })[Symbol.asyncIterator]()
    assert.equal((await lines.next()).value, 'ready')
    for (let round = 0; round < 300; round += 1) {
      const before = nextToken()
      deno.stdin.write('\n')
      const between = BigInt((await lines.next()).value as string)
      const after = nextToken()
      assert.ok(before < between && between < after, `${before}, ${between} of Deno, ${after}`)
    }
  } finally {
    deno.kill('SIGKILL')
  }
})

/** So many of each, in turn: deno0, node0, deno1, … */
async function spawnBoth(scene: Scene, count: number): Promise<Client[]> {
  const names = Array.from({ length: count }, (_, index) => index)
  const pairs = await Promise.all(
    names.map((index) =>
      Promise.all([scene.spawn(`deno${index}`, { runtime: DENO }), scene.spawn(`node${index}`, { runtime: NODE })]),
    ),
  )
  return pairs.flat()
}

function nameOf(runtime: typeof DENO): string {
  return runtime === DENO ? 'Deno' : 'Node'
}
