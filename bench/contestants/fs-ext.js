// flock(2) by native code; each wait uses a thread of libuv's pool. The file is opened once and kept open.
import { closeSync, openSync } from 'node:fs'
import fsExt from 'fs-ext'

export function open(path, { mode } = {}) {
  const descriptor = openSync(path, 'r+')
  const flag = mode === 'shared' ? 'sh' : 'ex'
  return {
    acquire: () =>
      new Promise((resolve, reject) => {
        fsExt.flock(descriptor, flag, (error) => (error ? reject(error) : resolve()))
      }),
    release: () => fsExt.flockSync(descriptor, 'un'),
    close: () => closeSync(descriptor),
  }
}
