/** What a round is played on: servers of its own, the engine, and what is done to them. */
import type { Arena } from '../../test/engines/helpers/arena.ts'
import type { EngineSpec } from '../../test/engines/helpers/client.ts'
import { etcdEngine } from '../../test/engines/helpers/etcd-arena.ts'
import { Island } from '../../test/engines/helpers/island.ts'
import type { Server } from '../../test/engines/helpers/servers.ts'
import { engineAt, openToIslands } from '../../test/engines/postgres/island.ts'
import type { Nemesis } from './nemeses.ts'
import { NEMESES } from './nemeses.ts'
import { POSTGRES_NEMESES } from './postgres.ts'

export interface Field {
  readonly server: Server
  readonly nemeses: readonly Nemesis[]
  readonly hasPermits: boolean
  prepare(arena: Arena, address: string): Promise<Ground>
}

interface Ground {
  readonly engine: EngineSpec
  readonly openIsland: () => Promise<Island>
}

export const FIELDS: ReadonlyMap<string, Field> = new Map<string, Field>([
  [
    'etcd',
    {
      server: 'cluster',
      nemeses: NEMESES,
      hasPermits: true,
      prepare: (arena, endpoints) =>
        Promise.resolve({
          engine: etcdEngine(endpoints),
          openIsland: () => Island.open(arena, 'islander', endpoints.split(','), etcdEngine),
        }),
    },
  ],
  [
    'postgres',
    {
      server: 'postgres',
      nemeses: POSTGRES_NEMESES,
      hasPermits: false,
      async prepare(arena, url) {
        const port = await openToIslands(arena.servers)
        const islandEngine = (_: unknown, here: string): EngineSpec =>
          engineAt(`postgres://postgres@${here}:${port}/postgres`)
        return { engine: engineAt(url), openIsland: () => Island.open(arena, 'islander', [], islandEngine) }
      },
    },
  ],
])
