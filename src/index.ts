/**
 * The public exports of slocket, and nothing else.
 *
 * Importing it must stay cheap. In the package, the modules that do the work are loaded by the first call of one of their functions:
 * the engines, `slocket.sync` and the Web Locks. scripts/build-dist.js has the list.
 */
import { claimsOfThisThread, local, localFor, resolvePath } from './engines/local/index.ts'
import { lockPathFor } from './engines/local/lock-path.ts'
import { localNames } from './engines/local/names/index.ts'
import { memory } from './engines/memory/index.ts'
import { MemoryStore } from './engines/memory/store.ts'
import { isSlocketError, SlocketError } from './errors.ts'
import { Lock } from './lock.ts'
import type { Slocket } from './slocket.ts'
import { createSlocket } from './slocket.ts'
import { acquireSync } from './sync/acquire-sync.ts'
import { clientIn } from './web-locks/client.ts'
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
  readonly lockPathFor: typeof lockPathFor
  readonly local: typeof local
  readonly memory: typeof memory
  readonly MemoryStore: typeof MemoryStore
  readonly locks: LockManager
  readonly LockManager: LockManagerConstructor
}

/** Locks by name, as in the Web Locks specification, among all processes and threads of this machine. */
export type LockManager = WebLockManager
/** Makes a {@link (LockManager:type)}, whose locks live in a directory or in an engine. */
export const LockManager: LockManagerConstructor = createLockManager({ clientIn, openRoot: localNames, resolvePath })

/** The named locks of this user, the same as `new LockManager()`: among all processes and threads of this machine. */
export const locks: LockManager = new LockManager()

const sync: Slocket['sync'] = (path, options) =>
  acquireSync({ resolvePath, claimsOfThisThread, localFor }, path, options)

const slocket: Slocket = createSlocket(localFor, sync)

const slocketModule: SlocketModule = Object.assign(slocket, {
  default: slocket,
  slocket,
  Lock,
  SlocketError,
  isSlocketError,
  lockPathFor,
  local,
  memory,
  MemoryStore,
  locks,
  LockManager,
})

export default slocketModule
export { isSlocketError, local, Lock, lockPathFor, memory, MemoryStore, slocket, SlocketError }
export type { AcquireRequest, Engine, EngineCapabilities, EngineSnapshot, Grant, Requester } from './requests/engine.ts'
export type { Obstacle, ObstacleKind } from './requests/obstacle.ts'
export type { Claim, ExclusiveClaim, PermitClaim, SharedClaim } from './core/claim.ts'
export type { LockTrace } from './diagnostics.ts'
export type { WaitNotice } from './lock-state.ts'
export type { LockAccess } from './requests/lock-access.ts'
export type { LocalOptions } from './engines/local/index.ts'
export type { SlocketErrorCode } from './errors.ts'
export type {
  BreakOptions,
  LeadOptions,
  LockMode,
  QueryOptions,
  SlocketOptions,
  SyncOptions,
  TryOptions,
  WithOptions,
} from './options.ts'
export type { LockSet, SlocketAll } from './calls/lock-set.ts'
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
