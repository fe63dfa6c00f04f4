// A floor for the takeover, not a lock: the first process listens, the second one is connected to it, and the kernel closes
// the connection when the first one dies.
import { once } from 'node:events'
import { unlinkSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'

export function open(path) {
  return {
    async acquire() {
      const server = createServer((socket) => socket.on('error', () => {})).listen(path)
      try {
        await once(server, 'listening')
      } catch {
        const socket = createConnection(path).resume()
        socket.on('error', () => {})
        await new Promise((resolve) => socket.once('close', resolve))
      }
    },
    release() {
      unlinkSync(path)
    },
  }
}
