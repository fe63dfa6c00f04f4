/** The public exports of slocket, and nothing else. */
import { claimsOfThisThread, local, localFor, resolvePath } from './engines/local/index.ts'
import { memory, MemoryStore } from './engines/memory/index.ts'
import { isSlocketError, SlocketError } from './errors.ts'
import { Lock } from './lock.ts'
import type { Slocket } from './slocket.ts'
import { createSlocket } from './slocket.ts'
import { createSync } from './sync/acquire-sync.ts'
import type { LockManagerConstructor } from './web-locks/lock-manager.ts'
import { createLockManager } from './web-locks/lock-manager.ts'
import type { LockManager as WebLockManager } from './web-locks/types.ts'

/** The default export, and the result of `require('slocket')`: the function itself, with the named exports as its properties. */
export interface SlocketModule extends Slocket {
  readonly default: Slocket
  readonly slocket: Slocket
  readonly Lock: typeof Lock
  readonly SlocketError: typeof SlocketError
  readonly isSlocketError: typeof isSlocketError
  readonly local: typeof local
  readonly memory: typeof memory
  readonly MemoryStore: typeof MemoryStore
  readonly locks: LockManager
  readonly LockManager: LockManagerConstructor
}

/** Locks by name, as in the Web Locks specification, among all processes and threads of this machine. */
export type LockManager = WebLockManager
/** Makes a {@link (LockManager:type)}, whose locks live in a directory or in an engine. */
export const LockManager: LockManagerConstructor = createLockManager(async () => {
  // Loaded by the first call, so that to import the package stays cheap.
  const [{ contextIn }, { localNames }] = await Promise.all([
    import('./web-locks/context.ts'),
    import('./engines/local/names/index.ts'),
  ])
  return { contextIn, openRoot: localNames }
}, resolvePath)

/** The named locks of this user, the same as `new LockManager()`: among all processes and threads of this machine. */
export const locks: LockManager = new LockManager()

const slocket: Slocket = createSlocket(
  localFor(undefined),
  createSync({ resolvePath, claimsOfThisThread, localFor }),
  localFor,
)

const slocketModule: SlocketModule = Object.assign(slocket, {
  default: slocket,
  slocket,
  Lock,
  SlocketError,
  isSlocketError,
  local,
  memory,
  MemoryStore,
  locks,
  LockManager,
})

export default slocketModule
export { isSlocketError, local, Lock, memory, MemoryStore, slocket, SlocketError }
export type { AcquireRequest, Engine, EngineCapabilities, EngineSnapshot, Grant, Requester } from './requests/engine.ts'
export type { Obstacle, ObstacleKind } from './requests/obstacle.ts'
export type { Claim, ExclusiveClaim, PermitClaim, SharedClaim } from './core/claim.ts'
export type { LockTrace } from './diagnostics.ts'
export type { LockAccess } from './requests/lock-access.ts'
export type { LocalOptions } from './engines/local/index.ts'
export type { SlocketErrorCode } from './errors.ts'
export type { LockMode, QueryOptions, SlocketOptions, SyncOptions, TryOptions } from './options.ts'
export type { LockManagerConstructor } from './web-locks/lock-manager.ts'
export type {
  LockGrantedCallback,
  LockInfo,
  LockManagerOptions,
  LockManagerSnapshot,
  LockOptions,
  WebLock,
} from './web-locks/types.ts'
export type { LockCallback, LockRequest, LockSnapshot, Slocket } from './slocket.ts'
export type { SyncLock } from './sync/sync-lock.ts'
