/**
 * What must never be seen in a trace, whatever was done to servers, networks and clients.
 *
 *  1. No more than the claim allows believe at the same time that they hold. Who was told of a loss, or whose `assertHeld` threw, does not.
 *  2. Tokens grow, from each grant to the next one that it excludes.
 *  3. A handle that was lost never comes to life again.
 *  4. No promise is rejected unheard; none is for ever pending.
 *  5. A failure has a code that callers can act on.
 */
import type { Line } from './trace.ts'

/** What an acquire, or a release, may fail with while servers are down. */
const EXPECTED = new Set([
  'ERR_SLOCKET_TIMEOUT',
  'ERR_SLOCKET_UNREACHABLE',
  'ERR_SLOCKET_NOT_RELEASED',
  'ERR_SLOCKET_LOST',
])

interface Hold {
  readonly who: string
  readonly as: string
  readonly resource: string
  readonly permits: number
  readonly token: bigint
  readonly since: bigint
  /** When it last believed that it held. */
  until: bigint
  isOver: boolean
}

export function check(trace: readonly Line[]): string[] {
  const findings = trace.flatMap(findingsIn)
  const holds = holdsIn(trace)
  for (const resource of new Set(holds.map((hold) => hold.resource))) {
    findings.push(...overlapsIn(holds.filter((hold) => hold.resource === resource)))
  }
  return findings
}

/** The grants, in the order of time. */
export function holdsIn(trace: readonly Line[]): Hold[] {
  const holds = new Map<string, Hold>()
  const ordered = [...trace].sort((a, b) => (BigInt(a.at) < BigInt(b.at) ? -1 : 1))
  for (const { at, who, event, as = '', resource = '', permits = 1, token = '0' } of ordered) {
    const id = `${who} ${as}`
    const time = BigInt(at)
    if (event === 'granted') {
      holds.set(id, { who, as, resource, permits, token: BigInt(token), since: time, until: time, isOver: false })
    }
    const hold = holds.get(id)
    if (hold === undefined || hold.isOver) continue
    if (event === 'believes' || event === 'releasing') hold.until = time
    if (event === 'releasing' || event === 'lost' || event === 'denied') hold.isOver = true
  }
  return [...holds.values()]
}

function overlapsIn(holds: readonly Hold[]): string[] {
  const findings: string[] = []
  for (const [index, hold] of holds.entries()) {
    const others = holds.slice(0, index).filter((other) => excludes(other, hold))
    const believers = others.filter((other) => other.until > hold.since)
    if (believers.length >= Math.max(1, hold.permits)) {
      const [first] = believers
      const ms = Number(first!.until - hold.since) / 1e6
      findings.push(`${describe(hold)} was granted while ${believers.map(describe).join(', ')} held, for ${ms} ms more`)
    }
    if (hold.permits > 1) continue
    const later = others.find((other) => other.token >= hold.token)
    if (later !== undefined)
      findings.push(`${describe(hold)} came after ${describe(later)}, which has no smaller token`)
  }
  return findings
}

/** Whether the two can never hold together, or only as many of their kind. */
function excludes(one: Hold, other: Hold): boolean {
  return one.permits !== 0 || other.permits !== 0
}

function findingsIn(line: Line): string[] {
  const { who, as, event, code, message } = line
  const said = `${who} ${as ?? ''}: ${event}: ${code ?? ''} ${message ?? ''}`
  if (event === 'unheard' || event === 'hung' || event === 'revived') return [said]
  const isExpected = code !== undefined && EXPECTED.has(code)
  return (event === 'failed' || event === 'lost' || event === 'denied') && !isExpected ? [said] : []
}

function describe({ who, as, token }: Hold): string {
  return `${who} ${as} (token ${token})`
}
