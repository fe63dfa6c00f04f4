/** What a ticket on a server says about its owner: for `query`, and for people. No decision depends on it, except `hasStolen` in etcd: see etcd/steal.ts. */
import type { Requester } from '../requests/engine.ts'
import type { EnqueueRequest } from '../requests/ticket-queue.ts'
import { withoutSecrets } from './secrets.ts'
import type { Claim } from '../core/claim.ts'
import { wallNowMs } from '../real-time.ts'

const MOST_COMMAND = 1000
const MOST_LABEL = 200
/** The moments that a Date can hold, in ms before and after 1970. */
const MOST_MS = 8.64e15

/** Who this client is. */
export interface Identity {
  readonly client: string
  readonly pid: number
  readonly command: string
}

export interface TicketValue extends Omit<Identity, 'pid'> {
  readonly pid: number | undefined
  readonly sinceMs: number | undefined
  readonly label: string | undefined
  /** False for a try. */
  readonly wait: boolean
  readonly hasStolen: boolean
}

export function ownIdentity(client: string): Identity {
  const command = process.argv.map(withoutSecrets).join(' ').slice(0, MOST_COMMAND)
  return { client, pid: process.pid, command }
}

export function formatValue(
  identity: Identity,
  { request }: { readonly request: EnqueueRequest },
  hasStolen: boolean = false,
): string {
  const { sinceMs = wallNowMs(), label } = request.requests()[0] ?? {}
  const { wait } = request
  return JSON.stringify({ ...identity, since: sinceMs, label, wait, ...(hasStolen ? { hasStolen } : {}) })
}

/** If a part can't be read, the rest is returned. */
export function parseValue(value: string | undefined): TicketValue {
  let parsed: unknown
  try {
    parsed = JSON.parse(value ?? '')
  } catch {
    parsed = undefined
  }
  const record = (typeof parsed === 'object' && parsed !== null ? parsed : {}) as Record<string, unknown>
  const { client, pid, command, since, label, wait, hasStolen } = record
  return {
    client: typeof client === 'string' ? client : '',
    pid: typeof pid === 'number' ? pid : undefined,
    command: typeof command === 'string' ? command.slice(0, MOST_COMMAND) : '',
    sinceMs: typeof since === 'number' && Math.abs(since) <= MOST_MS ? since : undefined,
    label: typeof label === 'string' ? label.slice(0, MOST_LABEL) : undefined,
    wait: wait !== false,
    hasStolen: hasStolen === true,
  }
}

export function toRequester(claim: Claim, value: TicketValue, ownClient: string): Requester {
  const { pid, sinceMs, label, command, client } = value
  return { claim, pid, sinceMs, label, command, self: client === ownClient, client }
}
