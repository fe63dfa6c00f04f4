/** The path of a lock as an argument, and how a message names a wrong argument. */

/** The path of a lock, as the caller gave it, or as its `file:` URL says. @throws TypeError */
export function parsePath(given: unknown): string {
  const path = isUrl(given) ? pathOfUrl(given) : given
  if (typeof path !== 'string') throw new TypeError(`path must be a string or a file: URL, not ${describeValue(path)}`)
  if (path === '') throw new TypeError('path must not be empty')
  if (path.includes('\0')) throw new TypeError('path must not contain a NUL character')
  if (!path.isWellFormed()) throw new TypeError('path must be well-formed Unicode: it has half of a surrogate pair')
  return path
}

/** Not by `instanceof`: it may be of another realm, as in Jest. */
function isUrl(value: unknown): value is URL {
  return typeof value === 'object' && value !== null && 'href' in value && 'protocol' in value
}

function pathOfUrl({ href, protocol }: URL): string {
  if (protocol !== 'file:') throw new TypeError(`path must be a string or a file: URL, not one of ${protocol}`)
  try {
    return process.getBuiltinModule('node:url').fileURLToPath(href)
  } catch (error) {
    // It names a host, or has an escape that no path can have.
    throw new TypeError(`path is a URL that names no file: ${String(error)}`, { cause: error })
  }
}

/** A value, for a message that says that it is wrong. */
export function describeValue(value: unknown): string {
  if (value === null) return 'null'
  return typeof value === 'string' ? `'${value.slice(0, 50)}'` : `a value of type ${typeof value}`
}
