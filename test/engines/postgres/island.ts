/** A server of a test's own, a client in a network namespace that reaches it by no proxy, so that the packets that are lost are its own, and one outside. */
import fs from 'node:fs'
import { join } from 'node:path'
import { isRunning } from '../../helpers/command.ts'
import { until } from '../../helpers/until.ts'
import type { Arena } from '../helpers/arena.ts'
import { inArena } from '../helpers/arena.ts'
import type { Client, EngineSpec } from '../helpers/client.ts'
import { Island } from '../helpers/island.ts'
import type { Servers } from '../helpers/servers.ts'
import { administer } from './admin.ts'

/** Lost after 2 s without an answer; the server gives up after 4. */
const HEARTBEAT_MS = 800
export const PATIENCE_MS: number = 2.5 * HEARTBEAT_MS
/** By the settings it has otherwise, a server gives up after two hours, or, with an answer under way, a quarter of an hour. */
export const MUCH_LATER_MS = 60_000

export interface Scene {
  readonly arena: Arena
  readonly island: Island
  readonly islander: Client
  readonly next: Client
  readonly engine: EngineSpec
  readonly untilWaiting: (count: number) => Promise<void>
}

export async function inScene(body: (scene: Scene) => Promise<void>): Promise<void> {
  await inArena('postgres', async (arena) => {
    const port = await openToIslands(arena.servers)
    const url = arena.servers.addressOf('postgres')
    const engine = engineAt(url)
    const next = arena.start('next', engine)
    const island = await Island.open(arena, 'islander', [], (_, here) =>
      engineAt(`postgres://postgres@${here}:${port}/postgres`),
    )
    const islander = island.client
    await islander.says('ready')
    await next.says('ready')
    const untilWaiting = async (count: number): Promise<void> => {
      await until(`${count} wait`, async () => {
        const waiting = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        return (await administer(url, waiting)).length === count
      })
    }
    await body({ arena, island, islander, next, engine, untilWaiting })
  })
}

/** A holder is cut off, and is notified before the next request gets the lock. */
export async function cutOffForLong(
  { island, islander, next, untilWaiting }: Scene,
  directions: ('input' | 'output')[],
): Promise<{ code: string | undefined; lostMs: number; grantedMs: number }> {
  islander.send({ do: 'acquire', as: 'held', resource: 'a' })
  await islander.says('granted')
  next.send({ do: 'acquire', as: 'next', resource: 'a' })
  await untilWaiting(1)
  island.cutOff(directions)
  const cutAt = process.hrtime.bigint()
  const lost = await islander.says('lost')
  const granted = await next.says('granted')
  const sinceCutMs = ({ at }: { at: string }): number => Number(BigInt(at) - cutAt) / 1e6
  return { code: lost.code, lostMs: sinceCutMs(lost), grantedMs: sinceCutMs(granted) }
}

export function engineAt(connectionString: string): EngineSpec {
  return { kind: 'postgres', options: { connectionString, heartbeat: HEARTBEAT_MS } }
}

/** Through a pooler in transaction mode. */
export function pooledEngineAt(connectionString: string): EngineSpec {
  return { kind: 'postgres', options: { connectionString, heartbeat: HEARTBEAT_MS, pooler: 'transaction' } }
}

/** Gives its port. */
export async function openToIslands(servers: Servers): Promise<string> {
  const directory = join(servers.directory, 'postgres')
  const url = servers.addressOf('postgres')
  const pid = servers.pidOf('postgres')
  await servers.signal('postgres', 'SIGINT')
  await until('the server has ended', () => !isRunning(pid))
  const run = join(directory, 'run')
  fs.writeFileSync(run, fs.readFileSync(run, 'utf8').replace(/listen_addresses=\S+/, "'listen_addresses=*'"))
  fs.appendFileSync(join(directory, 'data/pg_hba.conf'), 'host all all 10.128.0.0/9 trust\n')
  await servers.restart('postgres')
  await until('the server answers', () =>
    administer(url, 'SELECT 1').then(
      () => true,
      () => false,
    ),
  )
  return new URL(url).port
}
