/** Tries whether a socket can be connected to, and nothing more. */
import { builtInNet } from './built-in.ts'

/** Undefined if it was connected to; else the system's error. Keeps the process alive until then. */
export function probeSocket(address: string): Promise<Error | undefined> {
  return new Promise((resolve) => {
    const socket = builtInNet().connect({ path: address })
    socket.once('connect', () => {
      socket.destroy()
      resolve(undefined)
    })
    socket.once('error', resolve)
  })
}
