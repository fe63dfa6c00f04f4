// A reporter for node:test that writes each event as a line of JSON, for test-file.js; errors as the reporter `spec` shows them.
import { inspect } from 'node:util'
import { isNativeError } from 'node:util/types'

export default async function* (events) {
  for await (const { type, data } of events) {
    const details =
      data.details?.error === undefined ? data.details : { ...data.details, error: plain(data.details.error) }
    yield `${JSON.stringify({ type, data: { ...data, details } })}\n`
  }
}

function plain(error) {
  if (!isNativeError(error)) return { message: inspect(error) }
  const { name, message, stack, code, failureType, cause } = error
  return { name, message, stack, code, failureType, cause: cause === undefined ? undefined : plain(cause) }
}
