/** Connects to a Unix socket, and always reports an outcome. */
import type net from 'node:net'
import { builtInNet } from '../platform/built-in.ts'
import { toConnectError } from '../platform/connect-error.ts'
import { isBun, isDeno } from '../platform/runtime.ts'

/** Without a 'data' event, incoming data takes Node half as much work (measured on Node 20). */
const HAS_ONREAD = !isBun && !isDeno
/** The buffer for incoming data, for all connections: it is read before anything else can arrive. */
let arrived: Buffer | undefined
const ARRIVED_BYTES = 4096

/**
 * Connects to the socket at `path`, and calls `done` once: with null when it is connected, or with the error. The path has to stay valid
 * until then.
 *
 * Node emits 'error' by `process.nextTick`, and test frameworks drop such ticks (real-time.ts). 'close' comes without one.
 *
 * @param onText gets incoming text. If it is missing, the caller listens to 'data'.
 */
export function connectTo(
  path: string,
  done: (error: Error | null) => void,
  onText?: (text: string) => void,
): net.Socket {
  const onread = onText === undefined || !HAS_ONREAD ? undefined : readerFor(onText)
  const socket = builtInNet().connect(onread === undefined ? { path } : { path, onread })
  if (onText !== undefined && onread === undefined) socket.on('data', (chunk) => onText(chunk.toString('latin1')))
  let isDone = false
  const end = (error: Error | null): void => {
    if (isDone) return
    isDone = true
    done(error && toConnectError(path, error))
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

function readerFor(onText: (text: string) => void): net.OnReadOpts {
  const buffer = (arrived ??= Buffer.allocUnsafeSlow(ARRIVED_BYTES))
  return {
    buffer,
    callback(bytes) {
      onText(buffer.toString('latin1', 0, bytes))
      return true
    },
  }
}
