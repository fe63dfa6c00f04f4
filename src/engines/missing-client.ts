/** The error of an engine if the packages of its client, which are optional peer dependencies, are missing. */
import { isError, SlocketError, systemCode } from '../errors.ts'

/** What bundlers leave in place of a `require` of a package that was missing when they ran. */
const LEFT_OUT = /^(Dynamic require of|Could not dynamically require|Could not resolve) |\brequire is not defined/

/**
 * Returns the error to throw when loading a package failed: ERR_SLOCKET_NO_CLIENT if the package is missing, otherwise `error` itself.
 *
 * @param needs what needs which packages, as a sentence without its end.
 * @param packages their names, as `npm install` takes them.
 */
export function asMissingClient(error: unknown, needs: string, packages: string): unknown {
  const code = systemCode(error)
  const isMissing = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND'
  const isLeftOut = !isMissing && isError(error) && LEFT_OUT.test(error.message)
  if (!isMissing && !isLeftOut) return error
  const advice = isLeftOut ? ', and build this bundle again' : ''
  return new SlocketError('ERR_SLOCKET_NO_CLIENT', `${needs}: npm install ${packages}${advice}`, { cause: error })
}
