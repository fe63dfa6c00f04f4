/**
 * First come, first served, on etcd: each grant beside all that etcd had in the queue at that moment. A lock's token is the revision of the view by
 * which it was granted, and etcd tells of each key when it was written and when it was deleted. So this compares no times: at that revision, a ticket of
 * the holder's lease has to have its turn, by the order in which the tickets were created.
 *
 * Not where locks are stolen: a thief comes first. Nor where the history was compacted, or is that of another cluster.
 */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { parsePermits, PERMITS_PATTERN } from '../../../src/core/claim.ts'
import { decodeResource } from '../../../src/engines/etcd/keys.ts'
import { holdsIn } from './check.ts'
import { etcdctl, untilSlowly } from './etcd-cluster.ts'
import type { Line } from './trace.ts'

/** A ticket, as long as its key was there: from one revision, and before the other one. */
export interface Ticket {
  readonly resource: string
  readonly isThief: boolean
  /** It stands in place of the ticket of a holder that was downgraded, before all others. */
  readonly isDowngraded?: boolean
  /** As keys have it: `x`, `s`, or `p` and numbers. */
  readonly claim: string
  /** In hex. */
  readonly lease: string
  readonly created: bigint
  deleted: bigint | undefined
}

interface WatchAnswer {
  readonly Events: readonly {
    readonly type?: number
    readonly kv: { readonly key: string; readonly mod_revision: number }
  }[]
}

const KEY = new RegExp(`/q/([^/]+)/([ts])/([xsd]|${PERMITS_PATTERN})-([0-9a-z]+)-\\d+$`)

/** @returns what is wrong; and how many grants had another ticket beside them in the queue: with none, nothing was seen. */
export function orderOf(trace: readonly Line[], tickets: readonly Ticket[]): { findings: string[]; chances: number } {
  const findings: string[] = []
  let chances = 0
  for (const { who, as, resource, token, lease } of holdsIn(trace)) {
    const ofResource = tickets.filter((ticket) => ticket.resource === resource)
    if (lease === undefined || ofResource.some(({ isThief }) => isThief)) continue
    const queue = ofResource
      .filter(({ created, deleted }) => created <= token && (deleted === undefined || deleted > token))
      .sort(
        (a, b) => Number(b.isDowngraded ?? false) - Number(a.isDowngraded ?? false) || (a.created < b.created ? -1 : 1),
      )
    if (queue.length > 1) chances += 1
    const hasTurn = queue.some(
      (ticket, place) => ticket.lease === lease && isItsTurn(ticket, queue.slice(0, place + 1)),
    )
    if (hasTurn) continue
    const seen = queue.map((ticket) => `${ticket.claim} of lease ${ticket.lease} since ${ticket.created}`)
    findings.push(
      `${who} ${as} (lease ${lease}, token ${token}) was granted out of turn: ${seen.join(', ') || 'nobody'}`,
    )
  }
  return { findings, chances }
}

/** @param queue up to and with the ticket itself. With permits, there must be room for each: none overtakes a waiter. */
function isItsTurn({ claim }: Ticket, queue: readonly Ticket[]): boolean {
  if (claim === 's') return queue.every((other) => other.claim === 's')
  if (claim === 'x') return queue.length === 1
  let taken = 0
  return queue.every((ticket) => {
    const permits = parsePermits(ticket.claim)
    taken += permits?.take ?? Infinity
    return permits !== undefined && taken <= permits.permits
  })
}

/** All tickets that there have ever been. */
export async function ticketsOf(endpoints: string): Promise<Ticket[]> {
  const last = await untilSlowly('etcd says its revision', async () => {
    const answer = await etcdctl(endpoints, 'get', 'nothing', '-w', 'json').catch(() => '')
    return /"revision":(\d+)/.exec(answer)?.[1]
  })
  const tickets = new Map<string, Ticket>()
  const all: Ticket[] = []
  for await (const { Events } of historyUntil(endpoints, BigInt(last))) {
    for (const { type, kv } of Events) {
      const key = Buffer.from(kv.key, 'base64').toString()
      const [, resource, kind, claim, lease] = KEY.exec(key) ?? []
      if (resource === undefined) continue
      const known = tickets.get(key)
      const revision = BigInt(kv.mod_revision)
      if (type === DELETED) {
        if (known !== undefined) known.deleted = revision
        tickets.delete(key)
      } else if (known === undefined) {
        const ticket: Ticket = {
          resource: decodeResource(resource),
          isThief: kind === 's' && claim !== 'd',
          isDowngraded: claim === 'd',
          claim: claim === 'd' ? 's' : claim!,
          lease: [...lease!].reduce((sum, digit) => sum * 36n + BigInt(Number.parseInt(digit, 36)), 0n).toString(16),
          created: revision,
          deleted: undefined,
        }
        tickets.set(key, ticket)
        all.push(ticket)
      }
    }
  }
  return all
}

const DELETED = 1

/** What etcd tells of all its keys, from the beginning. */
async function* historyUntil(endpoints: string, last: bigint): AsyncGenerator<WatchAnswer, void, undefined> {
  if (last <= 1n) return
  const parameters = ['--endpoints', endpoints, 'watch', '', '--prefix', '--rev=1', '-w', 'json']
  const watching = spawn('etcdctl', parameters, {
    env: { ...process.env, ETCDCTL_API: '3' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    for await (const line of createInterface({ input: watching.stdout })) {
      const answer = JSON.parse(line) as WatchAnswer
      yield answer
      if (answer.Events.some(({ kv }) => BigInt(kv.mod_revision) >= last)) return
    }
    throw new Error('etcd does not report what was in its queues')
  } finally {
    watching.kill('SIGKILL')
  }
}
