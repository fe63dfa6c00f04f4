// Compiled only: each export as a value and as a type, in the syntax of modules.
import theDefault, {
  isSlocketError,
  local,
  Lock,
  LockManager,
  locks,
  memory,
  MemoryStore,
  slocket,
  SlocketError,
} from 'slocket'
import type {
  AcquireRequest,
  Claim,
  Engine,
  EngineCapabilities,
  EngineSnapshot,
  ExclusiveClaim,
  Grant,
  LocalOptions,
  LockAccess,
  LockCallback,
  LockGrantedCallback,
  LockInfo,
  LockManagerConstructor,
  LockManagerOptions,
  LockManagerSnapshot,
  LockMode,
  LockOptions,
  LockRequest,
  LockSnapshot,
  LockTrace,
  Obstacle,
  ObstacleKind,
  PermitClaim,
  Requester,
  SharedClaim,
  Slocket,
  SlocketErrorCode,
  SlocketOptions,
  SyncLock,
  SyncOptions,
  WebLock,
} from 'slocket'
import * as everything from 'slocket'
import { etcd } from 'slocket/etcd'
import type { EtcdCredentials, EtcdOptions, EtcdTls } from 'slocket/etcd'
import { postgres } from 'slocket/postgres'
import type { PostgresOptions } from 'slocket/postgres'
import lockfile, { check, checkSync, lock as lockFile, lockSync, unlock, unlockSync } from 'slocket/proper-lockfile'
import type {
  CheckOptions,
  LockOptions as FileLockOptions,
  LockKind,
  ProperLockfile,
  Release,
  RetryOptions,
  SyncRelease,
  UnlockOptions,
} from 'slocket/proper-lockfile'
import oldLockfile, { checkSync as checkFileSync } from 'slocket/lockfile'
import type { LockOptions as OldLockOptions, Lockfile } from 'slocket/lockfile'
import Redlock, { ExecutionError } from 'slocket/redlock'
import type { Lock as Redlocked, RedisClient, Settings } from 'slocket/redlock'
import { testEngine } from 'slocket/testing'
import type { ConformanceCapabilities, EngineUnderTest } from 'slocket/testing'

/** What may not be `any`: that is what a type that cannot be resolved becomes. */
type Known<T> = 0 extends 1 & T ? never : T
function known<T>(value: Known<T>): T {
  return value
}

const manager: LockManager = new LockManager({ engine: memory(new MemoryStore()) })
const constructor: LockManagerConstructor = LockManager
const functions: Slocket[] = [theDefault, slocket, everything.default, everything.slocket]
const options: SlocketOptions = {
  mode: 'shared',
  timeout: 100,
  signal: new AbortController().signal,
  label: 'label',
  linger: 0,
  access: 'user',
  engine: local({ access: 'group' }),
}

export async function values(): Promise<unknown[]> {
  const lock: Lock = await known(slocket('path', options))
  const maybe: Lock | null = await known(slocket.try('path'))
  const number: number = await slocket.with('path', async (held) => Number(known(held.token)))
  const snapshot: LockSnapshot = await slocket.query('path')
  const request: LockRequest | undefined = snapshot.held[0]
  const callback: LockCallback = (error, held) => console.log(error, held)
  slocket('path', callback)
  slocket('path', options, callback)
  const syncOptions: SyncOptions = { timeout: 1, permits: 3 }
  const blocking: SyncLock = slocket.sync('path', syncOptions)
  blocking.release()
  lock.assertHeld()
  const held: boolean = known(lock.held)
  const token: bigint = known(lock.token)
  const signals: AbortSignal[] = [lock.signal, lock.wanted]
  await lock.release()
  const mode: LockMode = lock.mode

  const granted: LockGrantedCallback<string> = (webLock) => webLock?.name ?? ''
  const name: string = await locks.request('name', granted)
  const lockOptions: LockOptions = { mode: 'exclusive', ifAvailable: true }
  const text: string = await manager.request('name', lockOptions, (webLock: WebLock | null) => webLock?.mode ?? 'none')
  const named: LockManagerSnapshot = await locks.query()
  const infos: LockInfo[] = named.held
  const managerOptions: LockManagerOptions = { root: 'directory', access: 'all' }

  const error: unknown = new Error('any')
  const code: SlocketErrorCode | undefined = isSlocketError(error) ? error.code : undefined
  const isTimeout: boolean = isSlocketError(error, 'ERR_SLOCKET_TIMEOUT') || error instanceof SlocketError
  const isLock: boolean = maybe instanceof Lock

  return [number, request, held, token, signals, mode, name, text, infos, managerOptions, code, isTimeout, isLock]
}

export function engines(): Engine[] {
  const localOptions: LocalOptions = { access: 'user' satisfies LockAccess }
  const credentials: EtcdCredentials = { username: 'user', password: 'secret' }
  const tls: EtcdTls = { ca: Buffer.from('') }
  const etcdOptions: EtcdOptions = { endpoints: ['https://a:2379'], credentials, tls, ttl: 10_000 }
  const postgresOptions: PostgresOptions = { connectionString: 'postgres://a', maxConnections: 2 }
  return [local(localOptions), memory(), etcd(etcdOptions), known(postgres(postgresOptions))]
}

/** An engine of one's own. */
export const own: Engine = {
  name: 'own',
  capabilities: { ordered: true, shared: true, permits: true, recovered: false } satisfies EngineCapabilities,
  async acquire(_resource: string, request: AcquireRequest): Promise<Grant | null> {
    const claims: Claim[] = [
      request.claim,
      { kind: 'exclusive' } satisfies ExclusiveClaim,
      { kind: 'shared' } satisfies SharedClaim,
      { kind: 'permit', permits: 2, take: 1 } satisfies PermitClaim,
    ]
    return claims.length === 0 ? null : { token: 1n, recovered: false, release: () => {}, onLost: () => {} }
  },
  async query(): Promise<EngineSnapshot> {
    const obstacle: Obstacle = { kind: 'file' satisfies ObstacleKind, message: 'a file' }
    const held: Requester[] = []
    return { held, pending: [], obstacle }
  },
}

export async function files(): Promise<unknown[]> {
  const retries: RetryOptions = { retries: 3, minTimeout: 10 }
  const fileOptions: FileLockOptions = { retries, onCompromised: (error) => console.error(error.message) }
  const release: () => Promise<void> = await lockFile('file', fileOptions)
  await release()
  const checkOptions: CheckOptions = { stale: 5000 }
  const unlockOptions: UnlockOptions = { realpath: false }
  await unlock('file', unlockOptions)
  unlockSync('file')
  lockSync('file')()
  const module: ProperLockfile = lockfile
  const blocking: SyncRelease = lockSync('file')
  const kind: LockKind = known((await lockFile('file')).kind)
  const named: Release = await lockFile('file')
  const oldOptions: OldLockOptions = { wait: 1000, stale: 60_000 }
  const old: Lockfile = oldLockfile
  old.lock('file', oldOptions, (error) => console.log(error?.message))
  known(oldLockfile.unlockSync)
  console.log(blocking.kind, kind, named.kind)
  return [
    await check('file', checkOptions),
    checkSync('file'),
    known(checkFileSync('file')),
    await module.lock('file'),
    await known(lockfile('file')),
  ]
}

export async function redlocks(client: RedisClient): Promise<unknown[]> {
  const settings: Partial<Settings> = { retryCount: -1 }
  const redlock: Redlock = new Redlock([client], settings)
  const locked: Redlocked = await known(redlock.acquire(['resource'], 5000))
  const token: bigint | undefined = known(locked.locks[0]?.token)
  const used: number = await redlock.using(['resource'], 5000, async (signal) => (known(signal.aborted) ? 1 : 2))
  return [token, used, locked instanceof ExecutionError]
}

export function suite(): void {
  const capabilities: ConformanceCapabilities = { ...own.capabilities, releasesAtOnce: true }
  const underTest: EngineUnderTest = { name: 'own', capabilities, openClient: () => own, resource: () => 'resource' }
  testEngine(underTest)
}

export function trace(message: LockTrace): void {
  known(message)
}

export const all: unknown[] = [constructor, functions]

export function wrong(): void {
  // @ts-expect-error: a number is not a path
  void slocket(1)
  // @ts-expect-error: no such mode
  void slocket('path', { mode: 'both' })
  // @ts-expect-error: no such option
  void slocket('path', { wait: true })
  // @ts-expect-error: no signal in a call that blocks
  slocket.sync('path', { signal: new AbortController().signal })
  // @ts-expect-error: it may be null
  void slocket.try('path').then((lock) => lock.release())
  // @ts-expect-error: no such code
  isSlocketError(new Error('any'), 'ERR_SLOCKET_NO_SUCH_CODE')
  // @ts-expect-error: no callback
  void locks.request('name')
  // @ts-expect-error: no endpoints
  etcd({})
  // @ts-expect-error: no such option
  postgres({ hostname: 'db' })
  // @ts-expect-error: a retry option of another name
  void lockFile('file', { retry: 3 })
}
