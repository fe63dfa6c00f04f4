// What a measuring process and the one that started it say to each other.
import { now } from '../clock.js'

export const options = JSON.parse(process.argv[2] ?? '{}')

/** The one that started it is gone: nobody wants to know. By a signal, as threads may be blocked in a wait. */
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))

/** Says something; without a parent that listens, on the standard output. */
export function tell(message) {
  if (process.send === undefined) console.log(JSON.stringify(message))
  else process.send(message)
}

/** What the parent says next. */
export function told() {
  return new Promise((resolve) => process.once('message', resolve))
}

export async function until(moment) {
  const left = moment - now()
  if (left > 0) await new Promise((resolve) => setTimeout(resolve, left))
}
