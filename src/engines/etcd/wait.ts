/** Waits, with watches, until one of those ahead of a ticket may have gone. Nothing is missed: a ticket that begins to watch looks once more after the watch is created. */
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
    // The listing that led here is older than a watch that is new.
    const isNew = watchJust(watches, own, among)
    const isEnough = (): boolean => own.isWoken || cancellation.cancelled || (isNew && own.uncreated.size === 0)
    while (!isEnough()) await nextWake(own)
  } finally {
    clearTimeout(again)
    cancellation.stopListening(onCancelled)
  }
}

/** Returns true if one of the watches is new. */
function watchJust(watches: WatchStream, own: OwnTicket, among: readonly ListedTicket[]): boolean {
  const wanted = new Set(among.map(({ key }) => key))
  for (const [key, stop] of own.watches) {
    if (wanted.has(key)) continue
    own.watches.delete(key)
    own.uncreated.delete(key)
    stop()
  }
  const added = [...wanted].filter((key) => !own.watches.has(key))
  for (const key of added) watchOne(watches, own, key)
  return added.length > 0
}

function watchOne(watches: WatchStream, own: OwnTicket, key: string): void {
  own.uncreated.add(key)
  const stop = watches.watch(key, 'deletions', {
    onCreated: () => {
      own.uncreated.delete(key)
      if (own.uncreated.size === 0) own.onWoken?.()
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
