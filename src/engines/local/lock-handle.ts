/** What keeps a lock, for whoever hands it on to a process that it starts. */
export interface LockHandle {
  /** While a process has these open, whoever opened them first, the lock is held. */
  readonly descriptors: readonly number[]
  /** Closes them here. True if another process has them open still: then the lock is held by that one. */
  close(): Promise<boolean>
}
