/** Connecting to a Unix socket, with an outcome in any case. */
import type net from 'node:net'
import { builtInNet } from './built-in.ts'
import { setInterval, clearInterval } from '../../real-time.ts'

/** How often to look whether the connection has failed, in ms. */
const LOOK_MS = 100

/**
 * Connects to the socket at `path`, and calls `done` once: with null when it is connected, or with the error.
 *
 * Node reports an error by `process.nextTick`, and test frameworks drop such ticks (real-time.ts), so the socket is also looked
 * at now and then. `ref: false`: connecting doesn't keep the process alive.
 */
export function connectTo(
  path: string,
  done: (error: Error | null) => void,
  { ref = true }: { readonly ref?: boolean } = {},
): net.Socket {
  const socket = builtInNet().connect({ path })
  const looking = setInterval(() => socket.errored !== null && end(socket.errored), LOOK_MS)
  if (!ref) {
    socket.unref()
    looking.unref()
  }
  let isDone = false
  const end = (error: Error | null): void => {
    if (isDone) return
    isDone = true
    clearInterval(looking)
    done(error)
  }
  socket.on('error', end)
  socket.once('connect', () => {
    socket.off('error', end)
    end(null)
  })
  return socket
}
