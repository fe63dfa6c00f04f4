/**
 * Waits, with watches, until one of those ahead of a ticket may have gone. Nothing is missed: a ticket that begins to watch looks once more after the watch
 * is created.
 */
import type { Cancellation } from '../../requests/cancellation.ts'
import { debug } from '../../debug.ts'
import type { EtcdClient } from './client.ts'
import type { ListedTicket } from './keys.ts'
import type { QueueParts } from './parts.ts'
import type { OwnTicket } from './ticket.ts'
import type { WatchStream } from './watch-stream.ts'
import { setInterval, clearInterval } from '../../real-time.ts'

/** How many keys to ask for at once: etcd allows 128 operations in one transaction. */
const MOST_AT_ONCE = 100

/** As `TicketQueue.anyChange`. */
export async function changeAmong(
  { client, watches }: Pick<QueueParts, 'client' | 'watches'>,
  own: OwnTicket,
  among: readonly ListedTicket[],
  cancellation: Cancellation,
): Promise<void> {
  // This keeps the process alive, and looks again from time to time, whatever was missed.
  const again = setInterval(() => void wakeIfGone(client, own, among), own.session.ttlMs)
  const onCancelled = (): void => own.wake()
  cancellation.listen(onCancelled)
  try {
    watchJust(watches, own, among)
    while (!own.isWoken && !cancellation.cancelled) await nextWake(own)
  } finally {
    clearInterval(again)
    cancellation.stopListening(onCancelled)
  }
}

/** Reads just these keys, and its own: for a listing, etcd reads the whole queue, and if thousands wait, it can do nothing else. */
async function wakeIfGone(client: EtcdClient, own: OwnTicket, among: readonly ListedTicket[]): Promise<void> {
  try {
    if (among.length < MOST_AT_ONCE) {
      const tickets = [own, ...among]
      const isOver = (): boolean => own.isWoken || own.isLeaving
      const success = tickets.map(({ key }) => ({ range: { key, keysOnly: true } }))
      const answer = await client.ask('Txn', { success }, { isOver, isBackground: true })
      const found = answer?.responses?.map(({ range }) => range?.kvs?.[0]?.createRevision)
      if (found === undefined || tickets.every((ticket, index) => found[index] === String(ticket.createRevision)))
        return
    }
  } catch (error) {
    // The listing fails in the same way, if it matters.
    debug('etcd: ticket %s: look: %s', own.id, error)
  }
  own.wake()
}

function watchJust(watches: WatchStream, own: OwnTicket, among: readonly ListedTicket[]): void {
  const wanted = new Set(among.map(({ key }) => key))
  let isUncreatedDropped = false
  for (const [key, stop] of own.watches) {
    if (wanted.has(key)) continue
    own.watches.delete(key)
    if (own.uncreated.delete(key)) isUncreatedDropped = true
    stop()
  }
  for (const key of wanted) if (!own.watches.has(key)) watchOne(watches, own, key)
  // The others were created while this one wasn't.
  if (isUncreatedDropped && own.uncreated.size === 0) own.isWoken = true
}

function watchOne(watches: WatchStream, own: OwnTicket, key: string): void {
  own.uncreated.add(key)
  const stop = watches.watch(key, 'deletions', {
    onCreated: () => {
      own.uncreated.delete(key)
      // The listing that led here, or the one under way, may be older than the watch.
      if (own.uncreated.size === 0) own.wake()
    },
    onEvent: () => own.wake(),
    onBroken: () => {
      if (own.watches.get(key) === stop) own.watches.delete(key)
      own.uncreated.delete(key)
      own.wake()
    },
  })
  own.watches.set(key, stop)
}

async function nextWake(own: OwnTicket): Promise<void> {
  await new Promise<void>((resolve) => (own.onWoken = resolve))
  own.onWoken = undefined
}
