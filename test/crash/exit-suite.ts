/** Ends of all kinds but kill -9, in two orders. */
import assert from 'node:assert/strict'
import type { Client } from '../helpers/client.ts'
import { useOnceAndCleanUp } from '../helpers/party.ts'
import type { Scene } from '../helpers/scenario.ts'
import { scenario } from '../helpers/scenario.ts'

export interface End {
  readonly name: string
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  end(client: Client): void
}

export const ENDS: readonly End[] = [
  { name: 'process.exit', code: 3, signal: null, end: (client) => client.send({ do: 'exit', code: 3 }) },
  // A wait keeps a process alive, so a waiter cancels it first.
  {
    name: 'having nothing left to do',
    code: 0,
    signal: null,
    end: (client) => client.send({ do: 'abort' }, { do: 'detach' }),
  },
  { name: 'an uncaught exception', code: 1, signal: null, end: (client) => client.send({ do: 'throw' }) },
  { name: 'SIGTERM', code: null, signal: 'SIGTERM', end: (client) => client.signal('SIGTERM') },
  { name: 'SIGINT', code: null, signal: 'SIGINT', end: (client) => client.signal('SIGINT') },
]

export function testFormerFirst(kind: End): void {
  scenario(
    `a former holder, a waiter and the holder end in turn by ${kind.name}: the last one gets the lock`,
    async (scene) => {
      const [former, holder, waiter, last] = await line(scene)
      await endBy(kind, former)
      await endBy(kind, waiter)
      await endBy(kind, holder)
      assert.equal((await last.next('granted')).recovered, true)
    },
  )
}

export function testHolderFirst(kind: End): void {
  scenario(
    `the holder, the next holder and a former holder end in turn by ${kind.name}: the last one gets the lock`,
    async (scene) => {
      const [former, holder, waiter, last] = await line(scene)
      await endBy(kind, holder)
      assert.equal((await waiter.next('granted')).recovered, true)
      await endBy(kind, waiter)
      assert.equal((await last.next('granted')).recovered, true)
      await endBy(kind, former)
      assert.equal(await last.isHolding(), true)
      last.send({ do: 'release' }, { do: 'exit', code: 0 })
      await last.ended()
      await useOnceAndCleanUp(await scene.spawn('newcomer'), scene.path)
    },
  )
}

async function endBy(kind: End, client: Client): Promise<void> {
  kind.end(client)
  const { code, signal, stderr } = await client.ended()
  assert.deepEqual([code, signal], [kind.code, kind.signal], stderr)
}

/** An ex-holder that is still present, the holder, and two who wait. */
async function line(scene: Scene): Promise<readonly [Client, Client, Client, Client]> {
  const clients = await scene.spawnAll('former', 'holder', 'waiter', 'last')
  const [former, holder, waiter, last] = clients
  await former.acquire(scene.path, { linger: 60_000 })
  for (const one of [holder, waiter, last]) await one.enqueue(scene.path)
  await former.release()
  await holder.next('granted')
  return clients
}
