// Compiled only: a library that exports what it got, without a type written by hand. tsc has to name the types for --declaration.
import slocket from 'slocket'
import lockfile from 'slocket/proper-lockfile'
import oldLockfile from 'slocket/lockfile'
import Redlock from 'slocket/redlock'
import { etcd } from 'slocket/etcd'

export const acquire = async (path: string) => await slocket(path)
export const acquireSync = (path: string) => slocket.sync(path)
export const look = (path: string) => slocket.query(path)
export const named = () => slocket.locks.query()
export const engine = etcd({ endpoints: 'a:2379' })
export const lockFile = lockfile.lock
export const lockOldFile = oldLockfile.lock
export const releaseOf = async (file: string) => await lockfile.lock(file)
export const asError = (error: unknown) => (slocket.isSlocketError(error) ? error : undefined)
export const redlockOf = (...parameters: ConstructorParameters<typeof Redlock>) => new Redlock(...parameters)
export class Manager extends slocket.LockManager {}
export default slocket
