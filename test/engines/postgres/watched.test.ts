// Clients that take one lock again and again, while their sessions are ended, and their server. Their trace is checked.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRunning } from '../../helpers/command.ts'
import { pass, until } from '../../helpers/until.ts'
import type { Arena } from '../helpers/arena.ts'
import { inArena } from '../helpers/arena.ts'
import { holdsIn } from '../helpers/check.ts'
import { endLoops, startLoops } from '../helpers/etcd-arena.ts'
import { administer } from './admin.ts'
import { engineAt, PATIENCE_MS } from './island.ts'

const CLIENTS = 3
const TIMES = 3
const STOPPED_MS = 1.5 * PATIENCE_MS
const END_ALL =
  "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'slocket' AND pid <> pg_backend_pid()"

for (const [what, strike] of [
  [
    'an operator ends all sessions',
    async ({ servers }) => void (await administer(servers.addressOf('postgres'), END_ALL)),
  ],
  ['the server is killed and starts again', killServer],
  ['a client is stopped until its lock is lost, and goes on', undefined],
] as const satisfies readonly (readonly [string, ((arena: Arena) => Promise<void>) | undefined])[]) {
  test(`on PostgreSQL, while ${what}, two never hold, tokens grow, and everything continues afterwards`, async () => {
    await inArena('postgres', async (arena) => {
      const loops = startLoops(arena, engineAt(arena.servers.addressOf('postgres')), CLIENTS)
      for (let round = 0; round < TIMES; round += 1) {
        await Promise.all(loops.map(async (client) => await client.saysAgain('granted', client.said('granted').length)))
        if (strike === undefined) {
          const holder = loops[round % CLIENTS]!
          holder.kill('SIGSTOP')
          await pass(STOPPED_MS)
          holder.kill('SIGCONT')
        } else {
          arena.note({ event: 'revoking' })
          await strike(arena)
        }
      }
      await endLoops(loops)
      assert.ok(holdsIn(arena.trace).length > TIMES * CLIENTS)
    })
  })
}

async function killServer({ servers }: Arena): Promise<void> {
  const pid = servers.pidOf('postgres')
  await servers.signal('postgres', 'SIGKILL')
  await until('the server has ended', () => !isRunning(pid))
  await until('the server answers', async () => {
    // It does not start while a session of the one before is still about to end.
    if (!isRunning(servers.pidOf('postgres'))) await servers.restart('postgres')
    return await administer(servers.addressOf('postgres'), 'SELECT 1').then(
      () => true,
      () => false,
    )
  })
}
