/**
 * Waits, with watches, until one of those ahead of a ticket may have gone. Nothing is missed: a ticket that begins to watch looks once more after the watch
 * is created.
 */
import type { Cancellation } from '../../requests/cancellation.ts'
import type { ListedTicket } from './keys.ts'
import type { OwnTicket } from './ticket.ts'
import type { WatchStream } from './watch-stream.ts'
import { setTimeout, clearTimeout } from '../../real-time.ts'

/** As `TicketQueue.anyChange`. */
export async function changeAmong(
  watches: WatchStream,
  own: OwnTicket,
  among: readonly ListedTicket[],
  cancellation: Cancellation,
): Promise<void> {
  // This keeps the process alive, and looks at the queue again from time to time, whatever was missed.
  const again = setTimeout(() => own.wake(), own.session.ttlMs)
  const onCancelled = (): void => own.wake()
  cancellation.listen(onCancelled)
  try {
    watchJust(watches, own, among)
    while (!own.isWoken && !cancellation.cancelled) await nextWake(own)
  } finally {
    clearTimeout(again)
    cancellation.stopListening(onCancelled)
  }
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
