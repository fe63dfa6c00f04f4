/** Tries whether a socket can be connected to, and nothing more. */
import { connectTo } from '../wire/connect.ts'

/** Undefined if connecting succeeds; otherwise the system's error. Keeps the process alive until then. */
export function probeSocket(address: string): Promise<Error | undefined> {
  return new Promise((resolve) => {
    const socket = connectTo(address, (error) => {
      socket.destroy()
      resolve(error ?? undefined)
    })
  })
}
