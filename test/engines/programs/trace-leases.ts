/** Traces what the etcd engine does with its leases, from outside: by wrapping the methods that it calls. */
import type { GrantFacts } from '../../../src/requests/ticket-queue.ts'
import type { Asking } from '../../../src/engines/etcd/client.ts'
import { EtcdClient } from '../../../src/engines/etcd/client.ts'
import type { Calls } from '../../../src/engines/etcd/protocol.ts'
import { EtcdQueue } from '../../../src/engines/etcd/queue.ts'
import { Session } from '../../../src/engines/etcd/session.ts'
import type { OwnTicket } from '../../../src/engines/etcd/ticket.ts'
import type { Line } from '../helpers/trace.ts'

type Write = (line: Omit<Line, 'at' | 'who'>) => void

/** Gives what tells the lease of a grant by its token, once. (Two of one token came of one lease: whoever opens a lease writes.) */
export function traceLeases(write: Write): (token: bigint) => string | undefined {
  traceRenewals(write)
  const { lose } = Session.prototype
  Session.prototype.lose = function loseTraced(this: Session, reason: string): void {
    write({ event: 'lease lost', lease: inHex(this.lease), message: reason })
    lose.call(this, reason)
  }
  const leases = new Map<bigint, string>()
  const { granted } = EtcdQueue.prototype
  EtcdQueue.prototype.granted = function grantedTraced(this: EtcdQueue, own: OwnTicket): GrantFacts {
    const facts = granted.call(this, own)
    leases.set(facts.token, inHex(own.session.lease))
    return facts
  }
  return (token) => leases.get(token)
}

function traceRenewals(write: Write): void {
  const { ask, callByStream } = EtcdClient.prototype
  EtcdClient.prototype.ask = async function askTraced<M extends keyof Calls>(
    this: EtcdClient,
    method: M,
    request: Calls[M][0],
    asking: Asking = {},
  ): Promise<Calls[M][1] | undefined> {
    const sent = new Sent(asking.onSend)
    const answer = (await ask.call(this, method, request, { ...asking, onSend: sent.onSend })) as
      Calls[M][1] | undefined
    if (method === 'LeaseGrant' && answer !== undefined) {
      const { id, ttl } = answer as Calls['LeaseGrant'][1]
      write({ event: 'renewed', lease: inHex(id), sentAt: sent.at, ttlMs: Number(ttl) * 1000 })
    }
    return answer
  }

  EtcdClient.prototype.callByStream = async function callTraced(
    this: EtcdClient,
    method: string,
    request: object,
    tries: number,
    onSend: () => void,
  ): Promise<object> {
    const lease = inHex((request as { readonly id: string }).id)
    const sent = new Sent(onSend)
    try {
      const answer = await callByStream.call(this, method, request, tries, sent.onSend)
      const { ttl = '0' } = answer as { readonly ttl?: string }
      write({ event: ttl === '0' ? 'not renewed' : 'renewed', lease, sentAt: sent.at, ttlMs: Number(ttl) * 1000 })
      return answer
    } catch (error) {
      write({ event: 'not renewed', lease, sentAt: sent.at, message: String(error) })
      throw error
    }
  }
}

/** When a request was sent last, by the clock of the trace. */
class Sent {
  at = '0'
  readonly onSend: () => void

  constructor(onSend: (() => void) | undefined) {
    this.onSend = () => {
      onSend?.()
      // Later than what the engine reckons with, by no more than this.
      this.at = String(process.hrtime.bigint())
    }
  }
}

function inHex(lease: string): string {
  return BigInt(lease).toString(16)
}
