/** With `options.replicas`, a lock is given out only once that many replicas have its grant. */
import { SlocketError } from '../../errors.ts'
import { channelPrefix } from './names.ts'
import type { RenewalParts, Renewals } from './renewals.ts'
import type { OwnTicket } from './ticket.ts'

/**
 * Waits until enough replicas have the grant, or its request is cancelled, or it no longer has the grant.
 *
 * @throws SlocketError ERR_SLOCKET_RESOURCES if fewer have it in time; as `Connection.ask`.
 */
export async function waitForReplicas(own: OwnTicket, parts: RenewalParts, renewals: Renewals): Promise<void> {
  const { cancellation } = own.request
  let onCancelled: (() => void) | undefined
  const cancelled = new Promise<void>((resolve) => (onCancelled = resolve))
  cancellation.listen(onCancelled!)
  try {
    // Bound: each round but the first finds that the lock was granted anew meanwhile.
    while (!cancellation.cancelled && own.state === 'granted' && own.confirmed !== own.facts) {
      await Promise.race([confirm(own, parts, renewals), cancelled])
    }
  } finally {
    cancellation.stopListening(onCancelled!)
  }
}

async function confirm(own: OwnTicket, { connection, settings }: RenewalParts, renewals: Renewals): Promise<void> {
  const { facts, name } = own
  const { namespace, replicas } = settings
  const isOver = (): boolean => own.request.cancellation.cancelled || !own.seemsAlive
  const count = await connection.countReplicas(name, [channelPrefix(namespace), own.id], replicas, { isOver })
  if (count === undefined) {
    own.waitAgain()
    return renewals.look()
  }
  if (count < replicas) {
    const message = `the lock '${name}' is not safe: ${count} replicas have it, and options.replicas asks for ${replicas}`
    throw new SlocketError('ERR_SLOCKET_RESOURCES', message)
  }
  // RACE: another server may have taken over meanwhile, one without this grant. Then the replicas were those of that server.
  await renewals.renew()
  own.confirmed = facts
}
