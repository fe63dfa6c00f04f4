// Compiled only (npm run types): an option that a call doesn't take is an error where it is written, for each form of each call.
import type {
  LeadOptions,
  LocalOptions,
  LockOptions,
  LockSet,
  QueryOptions,
  SlocketOptions,
  SyncOptions,
  TryOptions,
  WithOptions,
} from '../../src/index.ts'
import { local, LockManager, lockPathFor, locks, memory, slocket, SlocketError } from '../../src/index.ts'
import type { CheckOptions, LockOptions as FileLockOptions, UnlockOptions } from '../../src/compat/proper-lockfile.ts'
import lockfile, { check, checkSync, lockSync, unlock, unlockSync } from '../../src/compat/proper-lockfile.ts'
import type { CheckOptions as FileCheckOptions, LockOptions as OldLockOptions } from '../../src/compat/lockfile.ts'
import type { Options as OldOptions } from '../../src/compat/lockfile.ts'
import oldLockfile from '../../src/compat/lockfile.ts'
import type { EtcdOptions } from '../../src/engines/etcd/index.ts'
import { etcd } from '../../src/engines/etcd/index.ts'
import type { PostgresOptions } from '../../src/engines/postgres/index.ts'
import { postgres } from '../../src/engines/postgres/index.ts'
import { testEngine } from '../../src/testing/index.ts'

const engine = memory()
const signal: AbortSignal = AbortSignal.timeout(1000)

/** Callbacks as `@types/lockfile` declares them. */
export function oldCallbacks(options: OldOptions): void {
  const done = (error: Error | null): void => console.log(error)
  const told = (error: Error | null, isLocked: boolean): void => console.log(error, isLocked)
  oldLockfile.lock('path', options, done)
  oldLockfile.lock('path', done)
  oldLockfile.unlock('path', done)
  oldLockfile.check('path', options, told)
  oldLockfile.check('path', told)
  const release: (path: string, callback: (error: Error | null) => void) => void = oldLockfile.unlock
  release('path', done)
}

/** What each call takes. `undefined` stands for an option that is left out. */
export async function right(isHurried: boolean): Promise<void> {
  const all: SlocketOptions = {
    mode: 'shared',
    permits: undefined,
    take: undefined,
    timeout: isHurried ? 5000 : Infinity,
    signal: isHurried ? signal : undefined,
    onWait: isHurried ? ({ held, ahead }) => console.log(held[0]?.pid, ahead) : undefined,
    waitNoticeAfter: 500,
    parents: true,
    label: 'me',
    linger: 0,
    slice: 10,
    access: undefined,
    engine,
  }
  const trying: TryOptions = { mode: 'exclusive', permits: 3, signal, label: 'me', linger: 0, slice: 0, engine }
  const querying: QueryOptions = { engine }
  const blocking: SyncOptions = { mode: 'shared', timeout: Infinity, label: 'me', linger: 0, access: 'group' }
  await (await slocket('lock', all)).release()
  slocket('lock', all, (error, lock) => void (error ?? lock?.release()))
  slocket('lock', undefined, () => {})
  await (await slocket.try('lock', trying))?.release()
  const text: string = await slocket.with('lock', all, async ({ name }) => name)
  const { held } = await slocket.query('lock', querying)
  slocket.sync('lock', blocking).release()
  slocket.sync(new URL('file:///tmp/lock'), { parents: true }).release()
  await (await slocket(lockPathFor(new URL('file:///tmp/data')))).release()
  const nesting: WithOptions = { ...all, reentrant: true, atLeast: 60_000 }
  const leading: LeadOptions = { signal, label: 'me', linger: 0, engine }
  await slocket.with('lock', nesting, async () => {})
  await using set: LockSet = await slocket.all(['a', 'b'], all)
  const names: string[] = await slocket.all.with(['a', 'b'], nesting, ({ locks: given }) =>
    given.map((lock) => lock.name),
  )
  const token: bigint = await slocket.lead('lock', leading, async (lock, stop) => (stop.aborted ? 0n : lock.token))
  console.log(set.held, names, token)
  // `SlocketOptions` of both a request and a query would be wrong; their common part fits.
  const { engine: common }: SlocketOptions = all
  await slocket.query(text, { engine: common })
  console.log(held.map(({ pid, since, label }) => `${pid} ${since?.toISOString()} ${label}`))
}

export function wrong(): void {
  // @ts-expect-error: no such option
  void slocket('lock', { timeot: 5 })
  // @ts-expect-error: no such option, beside one that there is
  void slocket('lock', { timeout: 5, retries: 5 })
  // @ts-expect-error: no such option, with a callback
  void slocket('lock', { timeout: 5, retries: 5 }, () => {})
  // @ts-expect-error: null is no timeout
  void slocket('lock', { timeout: null })
  // @ts-expect-error: no such mode
  void slocket('lock', { mode: 'read' })
  // @ts-expect-error: no such access
  void slocket('lock', { access: 'everybody' })
  // @ts-expect-error: a path is needed
  void slocket()

  // @ts-expect-error: only `with` knows what its caller holds
  void slocket('lock', { reentrant: true })
  // @ts-expect-error: paths are a list
  void slocket.all('lock', {})
  // @ts-expect-error: a body is needed
  void slocket.all.with(['lock'], { timeout: 5 })
  // @ts-expect-error: a leader is alone
  void slocket.lead('lock', { mode: 'shared' }, () => {})
  // @ts-expect-error: a candidate waits until its signal aborts
  void slocket.lead('lock', { timeout: 5 }, () => {})
  // @ts-expect-error: it blocks, and releases at once
  slocket.sync('lock', { atLeast: 5 })

  // @ts-expect-error: a try never waits
  void slocket.try('lock', { label: 'me', timeout: 5 })
  // @ts-expect-error: a try never waits
  void slocket.try('lock', { label: 'me', onWait: () => {} })
  // @ts-expect-error: no such option
  void slocket.try('lock', { label: 'me', ifAvailable: true })

  // @ts-expect-error: no such option
  void slocket.with('lock', { label: 'me', retries: 5 }, () => {})
  // @ts-expect-error: a body is needed
  void slocket.with('lock', { label: 'me' })

  // @ts-expect-error: a query does not wait
  void slocket.query('lock', { engine, timeout: 5 })
  // @ts-expect-error: a query has no claim
  void slocket.query('lock', { engine, permits: 3 })
  // @ts-expect-error: a query makes no directory
  void slocket.query('lock', { access: 'user' })

  // @ts-expect-error: nothing can abort a blocked thread
  slocket.sync('lock', { timeout: 5, signal })
  // @ts-expect-error: it takes local locks only
  slocket.sync('lock', { timeout: 5, engine })
  // @ts-expect-error: it blocks at each call
  slocket.sync('lock', { timeout: 5, slice: 5 })
  // @ts-expect-error: no such option
  slocket.sync('lock', { timeout: 5, retries: 5 })

  // @ts-expect-error: no such option
  local({ access: 'user', root: '/tmp' })
  // @ts-expect-error: a store is no record
  memory({})
  // @ts-expect-error: no such option
  void new LockManager({ root: '/tmp/locks', permits: 3 })
  // @ts-expect-error: no such option
  void locks.request('name', { mode: 'shared', label: 'me' }, () => {})

  // @ts-expect-error: no such option
  etcd({ endpoints: 'http://127.0.0.1:2379', lease: 5 })
  // @ts-expect-error: no such option of the credentials
  etcd({ endpoints: 'http://127.0.0.1:2379', credentials: { username: 'a', password: 'b', token: 'c' } })
  // @ts-expect-error: no such option of TLS
  etcd({ endpoints: 'https://127.0.0.1:2379', tls: { passphrase: 'a' } })
  // @ts-expect-error: endpoints are needed
  etcd({ namespace: 'a' })
  // @ts-expect-error: no such option
  postgres({ connectionString: 'postgres://127.0.0.1/app', pool: 5 })

  // @ts-expect-error: no such option
  void lockfile('file', { retries: 5, timeout: 5 })
  // @ts-expect-error: no such option of a retry
  void lockfile.lock('file', { retries: { retries: 5, delay: 5 } })
  // @ts-expect-error: no such option
  void check('file', { stale: 5000, retries: 5 })
  // @ts-expect-error: no such option
  void unlock('file', { realpath: false, stale: 5000 })
  // @ts-expect-error: no such option
  lockSync('file', { realpath: false, timeout: 5 })
  // @ts-expect-error: no such option
  checkSync('file', { stale: 5000, update: 1000 })
  // @ts-expect-error: no such option
  unlockSync('file', { realpath: false, update: 1000 })

  // @ts-expect-error: no such option
  oldLockfile.lock('file', { wait: 5, timeout: 5 }, () => {})
  // @ts-expect-error: a callback is needed
  oldLockfile.lock('file', { wait: 5 })
  // @ts-expect-error: it never waits
  oldLockfile.lockSync('file', { stale: 5, wait: 5 })
  // @ts-expect-error: no such option
  oldLockfile.checkSync('file', { stale: 5, retries: 5 })

  // @ts-expect-error: no such expectation
  testEngine({ name: 'mine', capabilities, openClient: () => engine, resource: () => 'a', retries: 5 })
  // @ts-expect-error: no such code
  console.log(new SlocketError('ERR_SLOCKET_LATE', 'late'))
}

const capabilities = { ordered: true, shared: true, permits: true, recovered: false, releasesAtOnce: true }

// @ts-expect-error: a misspelt option is no option
export const ofTheCall: SlocketOptions = { timeot: 5 }
// @ts-expect-error: a try never waits
export const ofATry: TryOptions = { timeout: 5 }
// @ts-expect-error: a query acquires nothing
export const ofAQuery: QueryOptions = { label: 'me' }
// @ts-expect-error: nothing can abort a blocked thread
export const ofSync: SyncOptions = { signal }
// @ts-expect-error: no such option
export const ofLocal: LocalOptions = { root: '/tmp' }
// @ts-expect-error: no such option
export const ofLocks: LockOptions = { timeout: 5 }
// @ts-expect-error: no such option
export const ofEtcd: EtcdOptions = { endpoints: [], ttlSeconds: 5 }
// @ts-expect-error: no such option
export const ofPostgres: PostgresOptions = { hostname: 'db' }
// @ts-expect-error: no such option
export const ofFiles: FileLockOptions = { timeout: 5 }
// @ts-expect-error: no such option
export const ofChecks: CheckOptions = { retries: 5 }
// @ts-expect-error: no such option
export const ofUnlocks: UnlockOptions = { stale: 5000 }
// @ts-expect-error: no such option
export const ofOldLocks: OldLockOptions = { timeout: 5 }
// @ts-expect-error: no such option
export const ofOldChecks: FileCheckOptions = { retries: 5 }
