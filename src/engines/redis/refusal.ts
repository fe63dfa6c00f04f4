/** What an error of a client, or of the server, means here. */
import { isError, SlocketError } from '../../errors.ts'

/** Temporary errors of the server: it starts, fails over, or is busy. */
const NOT_NOW: ReadonlySet<string> = new Set([
  'LOADING',
  'BUSY',
  'MASTERDOWN',
  'READONLY',
  'CLUSTERDOWN',
  'TRYAGAIN',
  'NOREPLICAS',
  'MISCONF',
])
const DENIED: ReadonlySet<string> = new Set(['NOPERM', 'NOAUTH', 'WRONGPASS'])
/** The error of a script that calls a command that the user may not call. */
const DENIED_TO_SCRIPT = /The user executing the script can't/
/** Redis 6 wraps the code in an error of the script. */
const CODE = /^(?:ERR Error running script [^]*?: -?)?(?:@user_script: ?\d*: ?-?)?([A-Z]+)(?: |$)/

/** The first word of an error of the server. Undefined if the error isn't the server's. */
export function codeOf(error: unknown): string | undefined {
  return isError(error) ? CODE.exec(error.message)?.[1] : undefined
}

/** Whether the call may be repeated: there was no answer, or the answer says "not now". The call may have been executed. */
export function isUnanswered(error: unknown): boolean {
  const code = codeOf(error)
  if (code === undefined) return !(error instanceof SlocketError) && !(error instanceof TypeError)
  return NOT_NOW.has(code)
}

export function isDenied(error: unknown): boolean {
  return DENIED.has(codeOf(error) ?? '') || (isError(error) && DENIED_TO_SCRIPT.test(error.message))
}

/** A refusal, in words. */
export function toSlocketError(error: unknown): SlocketError {
  if (error instanceof SlocketError) return error
  const code = codeOf(error)
  const said = isError(error) ? error.message : String(error)
  if (isDenied(error)) {
    const advice =
      'the user needs the keys and channels of the namespace, and the commands that docs/engines/redis.md lists'
    return new SlocketError('ERR_SLOCKET_PERMISSION', `Redis refuses: ${said}; ${advice}`, { cause: error })
  }
  if (code === 'OOM')
    return new SlocketError('ERR_SLOCKET_RESOURCES', `Redis is out of memory: ${said}`, { cause: error })
  if (code === 'MOVED' || code === 'CROSSSLOT') {
    const advice = 'a cluster needs a client for clusters (createCluster of redis, Cluster of ioredis)'
    return new SlocketError('ERR_SLOCKET_SYSTEM', `Redis refuses: ${said}; ${advice}`, { cause: error })
  }
  const whose = code === undefined ? 'the client of Redis fails' : 'Redis refuses'
  return new SlocketError('ERR_SLOCKET_SYSTEM', `${whose}: ${said}`, { cause: error })
}
