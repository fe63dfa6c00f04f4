/** Nemeses for a PostgreSQL server and its sessions. Those for clients and networks are the same as with etcd. */
import { isRunning } from '../../test/helpers/command.ts'
import { pass, until } from '../../test/helpers/until.ts'
import type { Pooler } from '../../test/engines/helpers/pooler.ts'
import { administer } from '../../test/engines/postgres/admin.ts'
import type { Random } from '../../src/testing/random.ts'
import type { Nemesis, Scene } from './nemeses.ts'
import { LONG, NEMESES } from './nemeses.ts'

/** Some pauses are shorter than the client waits for an answer (2 s) and the server keeps a session (4 s), some longer. */
const LONGEST_MS = 6000
/** Longer than the server needs to pass the lock on: at most 5.2 s were measured. */
const CUT_OFF_MS = 7000
/** More than all clients need together: a request that waits for the pooler isn't in the queue yet. */
export const POOLER_SIZE = 150
const SESSIONS = "application_name = 'slocket' AND pid <> pg_backend_pid()"

/**
 * Cuts off a client that has just begun to hold. Only its own clock can tell it that the lock is lost: a client without a heartbeat and without a deadline
 * for it believes all the time that it holds. (With either, it notices in time: an unanswered heartbeat ends the session, too.)
 */
export const HOLDERS_CUT_OFF: Nemesis = {
  name: 'holders cut off',
  async strike({ island }) {
    if (island === undefined) return
    const holds = (): number => island.client.said('granted').filter(({ resource }) => resource === LONG).length
    const before = holds()
    await until('it begins to hold', () => holds() > before)
    island.cutOff()
    await pass(CUT_OFF_MS)
    island.reconnect()
  },
}

export const POSTGRES_NEMESES: readonly Nemesis[] = [
  ...NEMESES.filter(({ name }) => /^(clients|clocks) /.test(name)),
  HOLDERS_CUT_OFF,
  {
    name: 'sessions ended',
    async strike({ arena, endpoints, random }) {
      arena.note({ event: 'revoking' })
      // Any session: of a holder, a waiter, a query, or idle.
      const some = `random() < ${random.pick([0.1, 0.5, 1])}`
      await administer(
        endpoints,
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${SESSIONS} AND ${some}`,
      )
    },
  },
  {
    name: 'statements cancelled',
    async strike({ endpoints, random }) {
      const some = `random() < ${random.pick([0.1, 0.5, 1])}`
      await administer(endpoints, `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE ${SESSIONS} AND ${some}`)
    },
  },
  {
    name: 'sessions stopped',
    async strike({ endpoints, random }) {
      const rows = await administer(endpoints, `SELECT pid FROM pg_stat_activity WHERE ${SESSIONS}`)
      if (rows.length === 0) return
      const pid = Number(random.pick(rows)['pid'])
      signal(pid, 'SIGSTOP')
      await pass(random.below(LONGEST_MS))
      signal(pid, 'SIGCONT')
    },
  },
  {
    name: 'sessions killed',
    async strike({ arena, endpoints, random }) {
      const rows = await administer(endpoints, `SELECT pid FROM pg_stat_activity WHERE ${SESSIONS}`)
      if (rows.length === 0) return
      arena.note({ event: 'revoking' })
      // The server then ends all other sessions, and recovers.
      signal(Number(random.pick(rows)['pid']), 'SIGKILL')
      await untilItAnswers(endpoints)
    },
  },
  { name: 'servers shut down', strike: (scene) => endServer(scene, 'SIGINT') },
  { name: 'servers killed', strike: (scene) => endServer(scene, 'SIGKILL') },
  {
    name: 'servers rejecting connections',
    async strike({ arena: { servers }, random }) {
      // Only the main process is stopped: existing sessions continue, and new ones can't connect.
      await servers.signal('postgres', 'SIGSTOP')
      await pass(random.below(LONGEST_MS))
      await servers.signal('postgres', 'SIGCONT')
    },
  },
]

export function poolerNemeses(pooler: Pooler): readonly Nemesis[] {
  return [
    {
      name: 'poolers killed',
      async strike({ arena, random }) {
        arena.note({ event: 'revoking' })
        await pooler.restart(pauseMs(random))
      },
    },
    {
      name: 'poolers stopped',
      async strike({ random }) {
        pooler.signal('SIGSTOP')
        await pass(pauseMs(random))
        pooler.signal('SIGCONT')
      },
    },
  ]
}

async function endServer({ arena, endpoints, random }: Scene, how: 'SIGINT' | 'SIGKILL'): Promise<void> {
  const { servers } = arena
  arena.note({ event: 'revoking' })
  const pid = servers.pidOf('postgres')
  await servers.signal('postgres', how)
  await until('the server has ended', () => !isRunning(pid))
  await pass(pauseMs(random))
  arena.note({ event: 'revoking' })
  await until('the server answers', async () => {
    // The server doesn't start while a session of the previous one is still ending.
    if (!isRunning(servers.pidOf('postgres'))) await servers.restart('postgres')
    await pass(50)
    return await answers(endpoints)
  })
}

function pauseMs(random: Random): number {
  return random.below(2) === 0 ? 0 : random.below(LONGEST_MS)
}

async function untilItAnswers(url: string): Promise<void> {
  await until('the server answers', async () => await answers(url))
}

async function answers(url: string): Promise<boolean> {
  return await administer(url, 'SELECT 1').then(
    () => true,
    () => false,
  )
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ESRCH') throw error
  }
}
