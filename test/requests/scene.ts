import type { AcquireRequest, Grant } from '../../src/requests/engine.ts'
import { EXCLUSIVE } from '../../src/core/claim.ts'
import { Request } from '../../src/requests/request.ts'
import { ResourceRequests } from '../../src/requests/resource-requests.ts'
import { ScriptedQueue } from './scripted-queue.ts'

/** The requests of one process for one resource, over a queue that does what the test tells it to do. */
export class RequestScene {
  readonly queue: ScriptedQueue = new ScriptedQueue()
  readonly #requests = new ResourceRequests(this.queue, 'resource', new Map())

  get isIdle(): boolean {
    return this.#requests.isIdle
  }

  readonly acquire = (change: Partial<AcquireRequest> = {}): Promise<Grant | null> => {
    const asked = { claim: EXCLUSIVE, wait: true, lingerMs: 0, ...change }
    return new Promise((onGrant, onError) => this.#requests.add(new Request(asked, { onGrant, onError })))
  }
}
