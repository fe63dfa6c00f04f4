/** What is done to servers, clients and networks. Each mends what it has broken before it is over. */
import type { Random } from '../../src/testing/random.ts'
import type { Arena } from '../../test/engines/helpers/arena.ts'
import type { Client } from '../../test/engines/helpers/client.ts'
import { etcdctl, followersOf, leaderOf } from '../../test/engines/helpers/etcd-cluster.ts'
import type { Island } from '../../test/engines/helpers/island.ts'
import { pass } from '../../test/helpers/until.ts'

export interface Scene {
  readonly arena: Arena
  readonly endpoints: string
  readonly random: Random
  readonly clients: Client[]
  /** Missing where there can be none. */
  island: Island | undefined
  readonly startClient: () => void
}

export interface Nemesis {
  readonly name: string
  strike(scene: Scene): Promise<void>
}

/** Below and above the TTL, which is 5 s. */
const LONGEST_MS = 9000
const HOUR_MS = 3_600_000

export const NEMESES: readonly Nemesis[] = [
  {
    name: 'leaders killed',
    async strike({ arena: { servers }, random }) {
      const leader = await leaderOf(servers)
      await servers.signal(leader, 'SIGKILL')
      await pass(random.below(LONGEST_MS))
      await servers.restart(leader)
    },
  },
  {
    name: 'leaders stopped',
    async strike({ arena: { servers }, random }) {
      const leader = await leaderOf(servers)
      await servers.signal(leader, 'SIGSTOP')
      await pass(random.below(LONGEST_MS))
      await servers.signal(leader, 'SIGCONT')
    },
  },
  {
    name: 'quorums lost',
    async strike({ arena: { servers }, random }) {
      const down = await followersOf(servers)
      await Promise.all(down.map((node) => servers.signal(node, 'SIGKILL')))
      await pass(random.below(LONGEST_MS))
      await Promise.all(down.map((node) => servers.restart(node)))
      await leaderOf(servers)
    },
  },
  {
    name: 'clients cut off',
    async strike({ island, random }) {
      island?.cutOff()
      await pass(random.below(LONGEST_MS))
      island?.reconnect()
    },
  },
  {
    name: 'clients stopped',
    async strike({ clients, random }) {
      const stopped = clients.filter(() => random.below(3) === 0)
      for (const client of stopped) client.kill('SIGSTOP')
      await pass(random.below(LONGEST_MS))
      for (const client of stopped) client.kill('SIGCONT')
    },
  },
  {
    name: 'clients killed',
    async strike({ clients, random, startClient }) {
      const [killed] = clients.splice(random.below(clients.length), 1)
      killed!.kill('SIGKILL')
      startClient()
      await pass(random.below(1000))
    },
  },
  {
    name: 'clocks set',
    async strike({ clients, random }) {
      random.pick(clients).send({ do: 'skew', ms: random.below(2) === 0 ? HOUR_MS : -HOUR_MS })
      await pass(random.below(1000))
    },
  },
  {
    name: 'leases revoked',
    async strike({ endpoints, random }) {
      try {
        const leases = (await etcdctl(endpoints, 'lease', 'list'))
          .split('\n')
          .filter((line) => /^[0-9a-f]{8,}$/.test(line))
        if (leases.length > 0) await etcdctl(endpoints, 'lease', 'revoke', random.pick(leases))
      } catch {
        // It may have ended meanwhile; the cluster may not be back yet.
      }
    },
  },
]
