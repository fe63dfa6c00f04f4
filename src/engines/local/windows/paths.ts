/** Which paths a lock can have on Windows. Pure. */
import path from 'node:path'
import { SlocketError } from '../../../errors.ts'

/** Names of devices, in every directory, with any extension, also after spaces: "Naming Files, Paths, and Namespaces" in Microsoft's documentation. */
const RESERVED = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(?:\.|$)/i
/** Control characters too; and Windows drops a dot or a space at the end. */
const FORBIDDEN = /[<>:"|?*]|[^ -\u{10ffff}]|[. ]$/u

/**
 * Checks an absolute path of Windows.
 *
 * @throws TypeError if no file can have it; ERR_SLOCKET_NETWORK_FILE_SYSTEM if it names a share.
 */
export function checkWindowsPath(absolute: string): void {
  if (/^[\\/]{2}\.[\\/]/.test(absolute)) throw new TypeError(`the path ${JSON.stringify(absolute)} is that of a device`)
  if (isNetworkPath(absolute)) throw networkError(absolute)
  const name = path.win32.basename(absolute)
  if (!RESERVED.test(name) && !FORBIDDEN.test(name)) return
  throw new TypeError(`the path ${JSON.stringify(absolute)} ends in a name that Windows reserves or doesn't allow`)
}

/** Whether an absolute path, or what realpath makes of a mapped drive, is `\\SERVER\SHARE\…`. `\\?\C:\…` isn't. */
export function isNetworkPath(absolute: string): boolean {
  return /^[\\/]{2}(?![?.][\\/])/.test(absolute) || /^[\\/]{2}\?[\\/](?![a-z]:|volume\{)/i.test(absolute)
}

export function networkError(directory: string): SlocketError {
  return new SlocketError(
    'ERR_SLOCKET_NETWORK_FILE_SYSTEM',
    `'${directory}' is on a network share, which several machines can use: a local lock there would not keep them apart. ` +
      'Use a directory on a local disk, or an engine made for several machines',
  )
}
