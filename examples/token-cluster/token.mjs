// An access token that all processes of this machine share.
import { readFile, rename, writeFile } from 'node:fs/promises'
import slocket from 'slocket'

/**
 * Gives the token in `file`. If there is none, or it has expired, calls `fetchToken` for a new one: in one process at a time.
 *
 * @param {string} file
 * @param {() => Promise<{ value: string, expiresAt: number }>} fetchToken
 */
export async function getToken(file, fetchToken) {
  const known = await readToken(file)
  if (known !== undefined) return known
  return await slocket.with(`${file}.lock`, { label: 'fetches a token', timeout: 30_000 }, async (lock) => {
    // Another process may have fetched it while this one waited.
    const fetched = await readToken(file)
    if (fetched !== undefined) return fetched
    const token = await fetchToken()
    lock.assertHeld()
    await writeFile(`${file}.new`, JSON.stringify(token), { mode: 0o600, flush: true })
    await rename(`${file}.new`, file)
    return token.value
  })
}

/** Undefined if there is none, or if it has expired. */
async function readToken(file) {
  try {
    const { value, expiresAt } = JSON.parse(await readFile(file, 'utf8'))
    return Date.now() < expiresAt ? value : undefined
  } catch (error) {
    if (error.code === 'ENOENT') return undefined
    throw error
  }
}
