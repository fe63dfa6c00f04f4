/** Faults of servers, clients and networks. Each one ends by itself: what it broke works again. */
import type { Random } from '../../src/testing/random.ts'
import type { Arena } from '../../test/engines/helpers/arena.ts'
import type { Client } from '../../test/engines/helpers/client.ts'
import { etcdctl, followersOf, leaderOf, revoke } from '../../test/engines/helpers/etcd-cluster.ts'
import type { NodeName } from '../../test/engines/helpers/etcd-cluster.ts'
import type { Island } from '../../test/engines/helpers/island.ts'
import { pass, until } from '../../test/helpers/until.ts'

export interface Scene {
  readonly arena: Arena
  readonly endpoints: string
  readonly random: Random
  readonly clients: Client[]
  /** Undefined if no client can be cut off. */
  island: Island | undefined
  readonly startClient: () => void
}

export interface Nemesis {
  readonly name: string
  strike(scene: Scene): Promise<void>
}

/** Some pauses are shorter than the TTL of 5 s, some longer. */
const LONGEST_MS = 9000
const HOUR_MS = 3_600_000
/** The client that can be cut off holds this lock for so long that it still holds it after everything else has happened. */
export const LONG = 'long'
export const LONG_MS = 8000

/** The holder can't be notified, so only its own deadline tells it. Others get the lock. */
export const REVOKED_WHILE_CUT_OFF: Nemesis = {
  name: 'leases revoked while cut off',
  async strike({ arena, endpoints, island }) {
    if (island === undefined) return
    const { client } = island
    const isOver = (as: string): boolean => client.said('releasing', as).length + client.said('lost', as).length > 0
    const held = await until('it holds', () =>
      client.said('granted').find(({ resource, as }) => resource === LONG && !isOver(as!)),
    )
    cutOff(arena, island)
    // On a busy machine the answer may be late. The lease is revoked all the same, or runs out.
    await revoke(arena, endpoints, held.lease!).catch(() => undefined)
    await until('it holds no more', () => isOver(held.as!))
    reconnect(arena, island)
  },
}

export const NEMESES: readonly Nemesis[] = [
  {
    name: 'leaders killed',
    async strike({ arena, random }) {
      const leader = await leaderOf(arena.servers)
      await signal(arena, leader, 'SIGKILL')
      await pass(random.below(LONGEST_MS))
      await restart(arena, leader)
    },
  },
  {
    name: 'leaders stopped',
    async strike({ arena, random }) {
      const leader = await leaderOf(arena.servers)
      await signal(arena, leader, 'SIGSTOP')
      await pass(random.below(LONGEST_MS))
      await signal(arena, leader, 'SIGCONT')
    },
  },
  {
    name: 'quorums lost',
    async strike({ arena, random }) {
      const down = await followersOf(arena.servers)
      await Promise.all(down.map((node) => signal(arena, node, 'SIGKILL')))
      await pass(random.below(LONGEST_MS))
      await Promise.all(down.map((node) => restart(arena, node)))
      await leaderOf(arena.servers)
    },
  },
  {
    name: 'clients cut off',
    async strike({ arena, island, random }) {
      if (island !== undefined) cutOff(arena, island)
      await pass(random.below(LONGEST_MS))
      if (island !== undefined) reconnect(arena, island)
    },
  },
  {
    name: 'clients stopped',
    async strike({ arena, clients, random }) {
      const stopped = clients.filter(() => random.below(3) === 0)
      for (const client of stopped) signalClient(arena, client, 'SIGSTOP')
      await pass(random.below(LONGEST_MS))
      for (const client of stopped) signalClient(arena, client, 'SIGCONT')
    },
  },
  {
    name: 'clients killed',
    async strike({ arena, clients, random, startClient }) {
      const [killed] = clients.splice(random.below(clients.length), 1)
      signalClient(arena, killed!, 'SIGKILL')
      startClient()
      await pass(random.below(1000))
    },
  },
  {
    name: 'clocks set',
    async strike({ arena, clients, random }) {
      const client = random.pick(clients)
      const ms = random.below(2) === 0 ? HOUR_MS : -HOUR_MS
      arena.note({ event: 'doing', message: `the clock of ${client.name} is set by ${ms} ms` })
      client.send({ do: 'skew', ms })
      await pass(random.below(1000))
    },
  },
  {
    name: 'leases revoked',
    async strike({ arena, endpoints, random }) {
      try {
        const leases = (await etcdctl(endpoints, 'lease', 'list'))
          .split('\n')
          .filter((line) => /^[0-9a-f]{8,}$/.test(line))
        if (leases.length > 0) await revoke(arena, endpoints, random.pick(leases))
      } catch {
        // The lease may have ended meanwhile, or the cluster isn't back yet.
      }
    },
  },
]

function cutOff(arena: Arena, island: Island): void {
  arena.note({ event: 'doing', message: `${island.client.name} is cut off` })
  island.cutOff()
}

function reconnect(arena: Arena, island: Island): void {
  arena.note({ event: 'doing', message: `${island.client.name} is connected again` })
  island.reconnect()
}

async function signal(arena: Arena, node: NodeName, name: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void> {
  arena.note({ event: 'doing', message: `${name} to ${node}` })
  await arena.servers.signal(node, name)
}

async function restart(arena: Arena, node: NodeName): Promise<void> {
  arena.note({ event: 'doing', message: `${node} is started again` })
  await arena.servers.restart(node)
}

function signalClient(arena: Arena, client: Client, name: NodeJS.Signals): void {
  arena.note({ event: 'doing', message: `${name} to ${client.name}` })
  client.kill(name)
}
