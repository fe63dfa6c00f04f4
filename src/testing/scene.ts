/** One lock, and clients that use it: the start of each test. */
import assert from 'node:assert/strict'
import type { Engine, EngineSnapshot, Requester } from '../requests/engine.ts'
import type { Claim } from '../core/claim.ts'
import { EXCLUSIVE } from '../core/claim.ts'
import type { SlocketOptions } from '../options.ts'
import type { Held } from './asking.ts'
import { Asking } from './asking.ts'
import type { EngineUnderTest } from './engine-under-test.ts'
import { Holders } from './holders.ts'
import { turn } from './random.ts'

/** How long to wait for something that has to happen, in ms: the machine may be busy. */
const PATIENCE_MS = 50_000

export interface Ask {
  readonly label?: string
  readonly claim?: Claim
  readonly wait?: boolean
  readonly steal?: boolean
  readonly signal?: AbortSignal
}

export class Scene {
  readonly engine: EngineUnderTest
  readonly resource: string
  /** The holders; checked at the end of every test. */
  readonly holders: Holders = new Holders()
  readonly #clients: Engine[] = []
  #observer: Engine | undefined
  #asked = 0

  private constructor(engine: EngineUnderTest, resource: string) {
    this.engine = engine
    this.resource = resource
  }

  static async open(engine: EngineUnderTest): Promise<Scene> {
    return new Scene(engine, await engine.resource())
  }

  async client(): Promise<Engine> {
    const client = await this.engine.openClient()
    this.#clients.push(client)
    return client
  }

  async clients(count: number): Promise<Engine[]> {
    const clients: Engine[] = []
    while (clients.length < count) clients.push(await this.client())
    return clients
  }

  /** Asks for the lock through the engine contract, and does not wait for the outcome. */
  ask(client: Engine, ask: Ask = {}): Asking {
    this.#asked += 1
    const { label = `request-${this.#asked}`, claim = EXCLUSIVE, wait = true, steal = false, signal } = ask
    const request = { label, claim, wait, ...(steal ? { steal } : {}), signal, lingerMs: this.engine.lingerMs ?? 0 }
    return new Asking(client, this.resource, request, this.holders)
  }

  /** Asks for the lock, and waits until it is granted. */
  async hold(client: Engine, ask: Ask = {}): Promise<Held> {
    return await this.ask(client, ask).granted()
  }

  /** Asks for the lock, and waits until the request stands in the queue, last among `pending`. */
  async queueUp(client: Engine, pending: readonly string[], ask: Omit<Ask, 'label'> = {}): Promise<Asking> {
    const asking = this.ask(client, { ...ask, label: pending.at(-1)! })
    await this.showsPending(...pending)
    return asking
  }

  /** Returns options for the API that select a client of this scene. */
  options(client: Engine): SlocketOptions {
    return { engine: client, linger: this.engine.lingerMs ?? 0 }
  }

  /** Returns the queue as seen by a client that neither holds nor waits. */
  async query(): Promise<EngineSnapshot> {
    this.#observer ??= await this.client()
    return await this.#observer.query(this.resource)
  }

  /** Waits until exactly these requests wait, in this order. */
  async showsPending(...labels: readonly string[]): Promise<void> {
    await eventually(async () => assert.deepEqual(labelsOf((await this.query()).pending), labels))
  }

  /** Waits until exactly these requests hold. If several were granted at the same time, an engine may not know which was first. */
  async showsHeld(...labels: readonly string[]): Promise<void> {
    await eventually(async () =>
      assert.deepEqual(
        labelsOf((await this.query()).held)
          .map(String)
          .sort(),
        labels.toSorted(),
      ),
    )
  }

  /** Gives the requests time to be wrongly granted. */
  async stillWait(...askings: readonly Asking[]): Promise<void> {
    for (let count = 0; count < 10; count += 1) await turn()
    await this.query()
    for (const { label, outcome } of askings) assert.equal(outcome.kind, 'waiting', `what came of request ${label}`)
  }

  /** Throws unless a new request gets the lock without waiting. */
  async checkFreeNow(): Promise<void> {
    await (await this.hold(await this.client(), { wait: false })).release()
  }

  /** Throws if a request holds or waits for the lock and should not, or if too many held at any time. */
  async checkFree(): Promise<void> {
    this.holders.check()
    assert.deepEqual([...this.holders.current], [], 'the test itself has not released these')
    await eventually(async () => assert.deepEqual(await this.query(), { held: [], pending: [] }))
    await (await this.hold(await this.client())).release()
  }

  async close(): Promise<void> {
    for (const client of this.#clients) await this.engine.closeClient?.(client)
  }
}

export function labelsOf(requesters: readonly Requester[]): (string | undefined)[] {
  return requesters.map(({ label }) => label)
}

/** Waits until `check` no longer throws. */
export async function eventually(check: () => Promise<void>): Promise<void> {
  const endMs = Date.now() + PATIENCE_MS
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (Date.now() > endMs) throw error
    }
    await turn()
  }
}
