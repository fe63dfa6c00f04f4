/** Checks the path argument of a call, and describes wrong arguments in messages. */

/** Returns the path of a lock as the caller gave it; for a `file:` URL, its path. @throws TypeError */
export function parsePath(given: unknown): string {
  const path = isUrl(given) ? pathOfUrl(given) : given
  if (typeof path !== 'string') throw new TypeError(`path must be a string or a file: URL, not ${describeValue(path)}`)
  if (path === '') throw new TypeError('path must not be empty')
  if (path.indexOf('\0') !== -1) throw new TypeError('path must not contain a NUL character')
  if (!path.isWellFormed()) throw new TypeError('path must be well-formed Unicode: it has half of a surrogate pair')
  return path
}

/** Doesn't use `instanceof`: the URL may come from another realm, as in Jest. */
function isUrl(value: unknown): value is URL {
  return typeof value === 'object' && value !== null && 'href' in value && 'protocol' in value
}

function pathOfUrl({ href, protocol }: URL): string {
  if (protocol !== 'file:') throw new TypeError(`path must be a string or a file: URL, not one of ${protocol}`)
  try {
    return process.getBuiltinModule('node:url').fileURLToPath(href)
  } catch (error) {
    // The URL names a host, or has an escape that no path can have.
    throw new TypeError(`path is a URL that names no file: ${String(error)}`, { cause: error })
  }
}

/** Describes a wrong value for a message. */
export function describeValue(value: unknown): string {
  if (value === null) return 'null'
  return typeof value === 'string' ? `'${value.slice(0, 50)}'` : `a value of type ${typeof value}`
}
