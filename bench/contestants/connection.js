// A floor for the takeover, and no lock: the first one listens, the second one is connected to it, and is told by the kernel
// when that one has died.
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
