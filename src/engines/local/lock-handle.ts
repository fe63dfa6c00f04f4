/** The descriptors that keep a lock held, for a caller that passes them on to a child process. */
export interface LockHandle {
  /** While any process has these open, the lock is held, whichever process opened them first. */
  readonly descriptors: readonly number[]
  /** Closes them in this process. Returns true if another process still has them open: then that process holds the lock. */
  close(): Promise<boolean>
}
