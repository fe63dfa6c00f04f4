import type { EtcdClient } from './client.ts'
import type { Sessions } from './sessions.ts'
import type { OwnTicket } from './ticket.ts'
import type { Identity } from '../ticket-value.ts'
import type { WatchStream } from './watch-stream.ts'

/** What the queues of one engine share. */
export interface QueueParts {
  readonly client: EtcdClient
  readonly sessions: Sessions
  readonly watches: WatchStream
  readonly identity: Identity
  readonly namespace: string
  /** The tickets of this client that may have a key. */
  readonly own: Set<OwnTicket>
  /** Returns a number that no ticket of this client has had. */
  readonly nextNumber: () => number
}
