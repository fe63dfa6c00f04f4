/** One round: clients in loops, nemeses one after the other, and what was found at the end. */
import { Random } from '../../src/testing/random.ts'
import { Arena } from '../../test/engines/helpers/arena.ts'
import { holdsIn } from '../../test/engines/helpers/check.ts'
import type { Client } from '../../test/engines/helpers/client.ts'
import { reasonWithoutIslands } from '../../test/engines/helpers/island.ts'
import { orderOf, ticketsOf } from '../../test/engines/helpers/queue-history.ts'
import type { Line } from '../../test/engines/helpers/trace.ts'
import { pass } from '../../test/helpers/until.ts'
import type { Field } from './fields.ts'
import { ISLANDER } from './fields.ts'
import type { Nemesis, Scene } from './nemeses.ts'
import { orderIn } from './order.ts'

export interface RoundResult {
  readonly findings: readonly string[]
  readonly counts: ReadonlyMap<string, number>
  readonly trace: readonly Line[]
}

interface Plan {
  readonly clients: number
  readonly ms: number
}

/** @param onOpen is called with the path of the trace. That file is removed after the round, but is kept if this process is killed. */
export async function playRound(
  field: Field,
  seed: number,
  plan: Plan,
  onOpen: (traceFile: string) => void,
): Promise<RoundResult> {
  await using arena = await Arena.open(field.server)
  onOpen(arena.traceFile)
  const counts = new Map<string, number>()
  const findings: string[] = []
  try {
    await play(field, new Random(seed), plan, { arena, counts, findings })
  } catch (error) {
    // What has happened until now is checked, and kept.
    findings.push(`the round broke off: ${String(error)}`)
  }
  const { trace } = arena
  findings.push(...arena.findings())
  counts.set('grants', holdsIn(trace).length)
  counts.set('lost', trace.filter((line) => line.event === 'lost').length)
  counts.set('failed', trace.filter((line) => line.event === 'failed').length)
  return { findings, counts, trace }
}

interface Playing {
  readonly arena: Arena
  readonly counts: Map<string, number>
  readonly findings: string[]
}

async function play(field: Field, random: Random, plan: Plan, { arena, counts, findings }: Playing): Promise<void> {
  const endpoints = arena.servers.addressOf(field.server)
  const { engine, openIsland, nemeses = [] } = await field.prepare(arena, endpoints)
  await using queue = field.watchQueue?.(endpoints)
  let started = 0
  const scene: Scene = {
    arena,
    endpoints,
    random,
    clients: [],
    island: undefined,
    startClient: () => {
      started += 1
      const client = arena.start(`c${started}`, engine)
      startLoops(client, random, field)
      scene.clients.push(client)
    },
  }
  for (let index = 0; index < plan.clients; index += 1) scene.startClient()
  if (reasonWithoutIslands() === false) {
    scene.island = await openIsland()
    startLoops(scene.island.client, random, field)
  }
  await Promise.all(everybody(scene).map((client) => client.says('granted')))

  const strike = async (nemesis: Nemesis): Promise<void> => {
    counts.set(nemesis.name, (counts.get(nemesis.name) ?? 0) + 1)
    arena.note({ event: 'doing', message: nemesis.name })
    await nemesis.strike(scene)
  }
  if (field.first !== undefined) await strike(field.first)
  const endMs = performance.now() + plan.ms
  while (performance.now() < endMs) {
    await strike(random.pick([...field.nemeses, ...nemeses]))
    await pass(random.below(1500))
  }
  arena.note({ event: 'doing', message: 'nothing more' })

  for (const client of everybody(scene)) {
    try {
      await client.saysAgain('granted', client.said('granted').length)
      await client.endLoop()
    } catch (error) {
      findings.push(`afterwards, ${client.name} comes to no lock: ${String(error)}`)
    }
  }
  const waits = await queue?.end()
  if (waits !== undefined) counts.set('waits seen', waits.length)
  const order = waits === undefined ? orderOf(arena.trace, await ticketsOf(endpoints)) : orderIn(arena.trace, waits)
  findings.push(...order.findings)
  // If nothing was seen, nothing was checked.
  if (order.chances === 0) findings.push('nobody was seen who could have come out of order')
  counts.set('chances to overtake', order.chances)
}

function everybody({ clients, island }: Scene): Client[] {
  return island === undefined ? [...clients] : [...clients, island.client]
}

/** Each client is in several queues at the same time. */
function startLoops(client: Client, random: Random, { canDowngrade, furtherLoops }: Field): void {
  const holdMs = 5 + random.below(150)
  const mode = random.below(2) === 0 ? 'exclusive' : 'shared'
  const downgrades = canDowngrade && mode === 'exclusive' && random.below(2) === 0
  client.send(
    { do: 'loop', resource: 'exclusive', holdMs },
    { do: 'loop', resource: 'shared', holdMs, downgrades, options: { mode } },
    ...furtherLoops(random, holdMs, client.name === ISLANDER),
  )
}
