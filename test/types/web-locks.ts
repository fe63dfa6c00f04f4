// Compiled only (npm run types): the types of Web Locks beside those that TypeScript has for browsers, its lib.dom. Here `Lock`,
// `LockManager`, `LockOptions` and the like are those of lib.dom.
import type * as slocket from '../../src/index.ts'
import { LockManager as Manager, locks, memory } from '../../src/index.ts'

type Fits<A, B> = [A] extends [B] ? true : false
type Same<A, B> = [Fits<A, B>, Fits<B, A>] extends [true, true] ? true : false

/** What is the same in both. */
export const same: readonly true[] = [
  true satisfies Same<Lock, slocket.WebLock>,
  true satisfies Same<LockMode, slocket.LockMode>,
  true satisfies Same<Required<LockOptions>, Required<slocket.LockOptions>>,
  true satisfies Same<LockOptions, slocket.LockOptions>,
  true satisfies Same<LockGrantedCallback<Promise<number>>, slocket.LockGrantedCallback<Promise<number>>>,
  true satisfies Same<Parameters<LockManager['query']>, Parameters<slocket.LockManager['query']>>,
]

/** What fits in the place of lib.dom's, and says more: no property of a snapshot is missing, and a callback gets null only if the request has `ifAvailable`. */
export const more: readonly true[] = [
  true satisfies Fits<slocket.LockInfo, LockInfo>,
  true satisfies Fits<slocket.LockManagerSnapshot, LockManagerSnapshot>,
  true satisfies Fits<slocket.LockManager['request'], LockManager['request']>,
  true satisfies Fits<slocket.LockManager, LockManager>,
  true satisfies Fits<slocket.LockManagerConstructor, typeof LockManager>,
  true satisfies Fits<Required<LockInfo>, slocket.LockInfo>,
]
/** So lib.dom's does not fit in the place of ours. Once it does, this line says so. */
export const less: readonly false[] = [
  false satisfies Fits<LockManagerSnapshot, slocket.LockManagerSnapshot>,
  false satisfies Fits<LockManager['request'], slocket.LockManager['request']>,
  false satisfies Fits<LockManager, slocket.LockManager>,
]

export const ours: LockManager[] = [locks, new Manager({ engine: memory() })]
export const constructors: (typeof LockManager)[] = [Manager]
/** Code that only requests locks takes either, by the type of lib.dom. */
export const either: Pick<LockManager, 'request'>[] = [locks, navigator.locks]

/** As it is written for browsers; unchanged but for `navigator.locks`, which is a parameter. */
export async function asInBrowsers(manager: LockManager): Promise<string> {
  const controller = new AbortController()
  const options: LockOptions = { mode: 'shared', signal: controller.signal }
  options.ifAvailable = false
  const callback: LockGrantedCallback<Promise<number>> = async (lock: Lock | null) => (lock === null ? 0 : 1)
  const count: number = await manager.request('count', options, callback)
  const text: string = await manager.request('text', { signal: AbortSignal.timeout(1000) }, (lock) => lock!.name)
  const nothing: void = await manager.request('nothing', { steal: true }, async () => {})
  const nested: number = await manager.request('outer', () => manager.request('inner', async () => 1))
  const maybe: number | null = await manager.request('either', { ifAvailable: true }, async (lock) => (lock ? 1 : null))
  manager.request('forgotten', () => new Promise(() => {})).catch((error: DOMException) => error.name === 'AbortError')
  const { held, pending }: LockManagerSnapshot = await manager.query()
  const modes: (LockMode | undefined)[] = [...(held ?? []), ...(pending ?? [])].map((info: LockInfo) => info.mode)
  return [count, text, nothing, nested, maybe, modes].join(' ')
}
export const taken: Promise<string>[] = [asInBrowsers(locks)]

/** With ours, nothing in a snapshot is missing. */
export async function holders(): Promise<string[]> {
  const { held } = await locks.query()
  return held.map(({ name, mode, clientId }) => `${name} ${mode} ${clientId}`)
}

/** With ours, a callback gets null only if the request has `ifAvailable`. */
export async function names(ifAvailable: boolean): Promise<(string | undefined)[]> {
  const name = await locks.request('name', (lock) => lock.name)
  const shared = await locks.request('name', { mode: 'shared' }, async (lock) => lock.name)
  const maybe = await locks.request('name', { ifAvailable }, (lock) => lock?.name)
  return [name, shared, maybe]
}

export function wrong(): void {
  // @ts-expect-error: no such option
  void locks.request('name', { timeout: 5 }, () => {})
  // @ts-expect-error: no such option
  void new Manager({ directory: '/tmp/locks' })
  // @ts-expect-error: no such mode
  void locks.request('name', { mode: 'both' }, () => {})
  // @ts-expect-error: no callback
  void locks.request('name')
  // @ts-expect-error: null is no signal
  void locks.request('name', { signal: null }, () => {})
  // @ts-expect-error: what is not available is null
  void locks.request('name', { ifAvailable: true }, (lock) => lock.name)
}
