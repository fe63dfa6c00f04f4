/** Connecting to a Unix socket, with an outcome in any case. */
import type net from 'node:net'
import { builtInNet } from '../platform/built-in.ts'

/**
 * Connects to the socket at `path`, and calls `done` once: with null when it is connected, or with the error.
 *
 * Node emits 'error' by `process.nextTick`, and test frameworks drop such ticks (real-time.ts). 'close' comes without one.
 */
export function connectTo(path: string, done: (error: Error | null) => void): net.Socket {
  const socket = builtInNet().connect({ path })
  let isDone = false
  const end = (error: Error | null): void => {
    if (isDone) return
    isDone = true
    done(error)
  }
  const onClose = (): void => end(socket.errored ?? new Error('closed'))
  socket.on('error', end)
  socket.once('close', onClose)
  socket.once('connect', () => {
    socket.off('error', end).off('close', onClose)
    end(null)
  })
  return socket
}
