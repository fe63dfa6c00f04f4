// Messages between a measuring process and its parent.
import { now } from '../clock.js'

export const options = JSON.parse(process.argv[2] ?? '{}')

/** The parent is gone, so nobody needs the result. Ends by a signal, as threads may be blocked in a wait. */
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))

/** Sends a message; if no parent listens, prints it. */
export function send(message) {
  if (process.send === undefined) console.log(JSON.stringify(message))
  else process.send(message)
}

/** The next message of the parent. */
export function receive() {
  return new Promise((resolve) => process.once('message', resolve))
}

export async function until(moment) {
  const left = moment - now()
  if (left > 0) await new Promise((resolve) => setTimeout(resolve, left))
}
