/** Hints for callers that pass an option of another lock library: proper-lockfile, lockfile, async-mutex or the Web Locks. */
import type { OptionHints } from './requests/known-options.ts'

const NO_AGE = 'there is nothing to expire or to refresh: a lock is free as soon as its holder dies'
const NO_POLLING = "waiters stand in a queue and are notified; 'timeout' limits the wait, in ms"
const PATH_FIRST = 'the path of the lock is the first argument'
const TRY = "use slocket.try(), or a 'timeout' of 0"

/** Built when a wrong option is found: importing slocket must stay cheap. */
export function optionHints(): OptionHints {
  return hints([
    [NO_AGE, 'stale', 'staleMs', 'update', 'refresh', 'heartbeat', 'ttl', 'duration', 'expires', 'expiry', 'lease'],
    [
      NO_POLLING,
      'retries',
      'retry',
      'retryWait',
      'retryDelay',
      'retryCount',
      'retryJitter',
      'pollPeriod',
      'pollInterval',
    ],
    [NO_POLLING, 'interval', 'delay', 'wait', 'maxWait', 'waitTimeout', 'acquireTimeout', 'deadline'],
    ['it uses the path as it is given; lockPathFor() follows links', 'realpath', 'resolve', 'symlinks'],
    [
      PATH_FIRST,
      'path',
      'file',
      'lockfilePath',
      'lockFile',
      'name',
      'key',
      'resource',
      'id',
      'root',
      'directory',
      'dir',
    ],
    ["use 'parents'", 'mkdirp', 'mkdir', 'ensureDir', 'createParents'],
    [TRY, 'ifAvailable', 'nonBlocking', 'nonblock', 'noWait', 'blocking'],
    ['slocket.break() takes a lock away; only named locks can be stolen: LockManager', 'steal', 'force'],
    ["use mode: 'shared', or leave it out", 'shared', 'exclusive', 'read', 'readOnly', 'write', 'type'],
    ["use 'take'", 'weight', 'units', 'tokens', 'amount', 'cost'],
    ["use 'permits'", 'concurrency', 'maxConcurrency', 'limit', 'max', 'maxCount', 'count', 'capacity', 'size'],
    ["use 'signal'", 'abort', 'abortSignal', 'controller', 'cancel'],
    ['listen to lock.signal', 'onCompromised', 'onLost', 'onLockLost'],
    ["use 'slice'", 'sliceMs', 'quantum', 'timeSlice', 'barging', 'unfair'],
    ["use 'atLeast'", 'atLeastMs', 'lockAtLeastFor', 'lockAtLeast', 'minHold', 'cooldown', 'period'],
    ["use slocket.with(), and 'reentrant'", 'recursive', 'reentry', 'reenter'],
    ["a lock's queue is first come, first served", 'priority', 'fair'],
  ])
}

function hints(sentences: readonly (readonly [sentence: string, ...names: string[]])[]): OptionHints {
  return Object.fromEntries(sentences.flatMap(([sentence, ...names]) => names.map((name) => [name, sentence])))
}
