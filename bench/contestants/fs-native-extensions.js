// OFD locks by native code; each wait has its own thread. The file is opened once and kept open.
import { closeSync, openSync } from 'node:fs'
import { unlock, waitForLock } from 'fs-native-extensions'

export function open(path, { mode } = {}) {
  const descriptor = openSync(path, 'r+')
  const options = { shared: mode === 'shared' }
  return {
    acquire: () => waitForLock(descriptor, 0, 0, options),
    release: () => unlock(descriptor),
    close: () => closeSync(descriptor),
  }
}
