/** What an error of a client, or of the server, means here. */
import { isError, SlocketError } from '../../errors.ts'

/** Errors of the server that pass: it starts, fails over, or is busy. */
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
/** What a script gets if it calls what the user may not. */
const DENIED_TO_SCRIPT = /The user executing the script can't/
/** Redis 6 puts it into an error of the script. */
const CODE = /^(?:ERR Error running script [^]*?: -?)?(?:@user_script: ?\d*: ?-?)?([A-Z]+)(?: |$)/

/** The first word of an error of the server. Undefined if no server has said it. */
export function codeOf(error: unknown): string | undefined {
  return isError(error) ? CODE.exec(error.message)?.[1] : undefined
}

/** Whether the same may be asked again: no answer, or one that says "not now". What was asked may have been done. */
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
  return new SlocketError('ERR_SLOCKET_SYSTEM', `Redis refuses: ${said}`, { cause: error })
}
