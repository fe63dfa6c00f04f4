/** One round: clients in loops, nemeses one after the other, and what is found in the end. */
import { Random } from '../../src/testing/random.ts'
import { Arena } from '../../test/engines/helpers/arena.ts'
import { holdsIn } from '../../test/engines/helpers/check.ts'
import type { Client } from '../../test/engines/helpers/client.ts'
import { reasonWithoutIslands } from '../../test/engines/helpers/island.ts'
import type { Line } from '../../test/engines/helpers/trace.ts'
import { pass } from '../../test/helpers/until.ts'
import type { Field } from './fields.ts'
import { ISLANDER } from './fields.ts'
import type { Scene } from './nemeses.ts'
import { orderIn } from './order.ts'

export interface RoundResult {
  readonly findings: readonly string[]
  readonly counts: ReadonlyMap<string, number>
  readonly trace: readonly Line[]
}

export async function playRound(
  field: Field,
  seed: number,
  plan: { clients: number; ms: number },
): Promise<RoundResult> {
  const random = new Random(seed)
  await using arena = await Arena.open(field.server)
  const endpoints = arena.servers.addressOf(field.server)
  const { engine, openIsland } = await field.prepare(arena, endpoints)
  const queue = field.watchQueue?.(endpoints)
  const counts = new Map<string, number>()
  const findings: string[] = []
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

  const endMs = performance.now() + plan.ms
  for (let { first } = field; performance.now() < endMs; first = undefined) {
    const nemesis = first ?? random.pick(field.nemeses)
    counts.set(nemesis.name, (counts.get(nemesis.name) ?? 0) + 1)
    await nemesis.strike(scene)
    await pass(random.below(1500))
  }

  for (const client of everybody(scene)) {
    try {
      await client.saysAgain('granted', client.said('granted').length)
      await client.endLoop()
    } catch (error) {
      findings.push(`afterwards, ${client.name} comes to no lock: ${String(error)}`)
    }
  }
  const waits = await queue?.end()
  const { trace } = arena
  findings.push(...arena.findings())
  if (waits !== undefined) {
    const order = orderIn(trace, waits)
    findings.push(...order.findings)
    // They have to be seen, or nothing is.
    if (order.chances === 0) findings.push('nobody was seen who could have come out of order')
    counts.set('waits seen', waits.length)
    counts.set('chances to overtake', order.chances)
  }
  counts.set('grants', holdsIn(trace).length)
  counts.set('lost', trace.filter((line) => line.event === 'lost').length)
  counts.set('failed', trace.filter((line) => line.event === 'failed').length)
  return { findings, counts, trace }
}

function everybody({ clients, island }: Scene): Client[] {
  return island === undefined ? [...clients] : [...clients, island.client]
}

/** Each client is in several queues at once. */
function startLoops(client: Client, random: Random, { furtherLoops }: Field): void {
  const holdMs = 5 + random.below(150)
  const mode = random.below(2) === 0 ? 'exclusive' : 'shared'
  client.send(
    { do: 'loop', resource: 'exclusive', holdMs },
    { do: 'loop', resource: 'shared', holdMs, options: { mode } },
    ...furtherLoops(random, holdMs, client.name === ISLANDER),
  )
}
