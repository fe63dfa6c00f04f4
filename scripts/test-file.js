// Runs a compiled test file in its own process, and reports its events.
//
// run() of node:test does the same, but sometimes it waits forever for a file whose process has ended (seen on Node 20 and 26).
import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs'
import { StringDecoder } from 'node:string_decoder'
import { fileURLToPath } from 'node:url'
import { inSources, sourceOf } from './source-positions.js'

const reporter = new URL('test-reporter.js', import.meta.url).href
/** How often new events are read. */
const POLL_MS = 100
/** How long the output of a process that has ended may stay open. After that, a process that it left behind must be holding it open. */
const OUTPUT_MS = 10_000

/**
 * Calls `onEvent` with each event of the file. Resolves with undefined if the file's process succeeded, otherwise with what failed
 * besides its tests. `eventsPath` is a file to write to; `namePattern` picks tests by name. A process that is silent for
 * `silenceMs` is killed.
 */
export async function runTestFile(file, { eventsPath, namePattern, silenceMs }, onEvent) {
  writeFileSync(eventsPath, '')
  const parameters = [`--test-reporter=${reporter}`, `--test-reporter-destination=${eventsPath}`]
  if (namePattern !== undefined) parameters.push(`--test-name-pattern=${namePattern}`)
  const child = spawn(process.execPath, [...parameters, file], { stdio: ['pipe', 'pipe', 'pipe'] })
  let problem
  let tests = 0
  let failed = false

  const silence = setTimeout(() => {
    problem = `nothing was heard of it for ${silenceMs / 1000} s (${stateOf(child.pid)})`
    child.kill('SIGKILL')
  }, silenceMs)
  const report = (event) => {
    silence.refresh()
    // A failed `todo` doesn't explain the exit code.
    if (event.type === 'test:fail' && event.data.todo === undefined) failed = true
    if (event.type === 'test:fail' || event.type === 'test:pass') tests += 1
    onEvent(event)
  }
  for (const [type, stream] of [
    ['test:stdout', child.stdout],
    ['test:stderr', child.stderr],
  ])
    stream.setEncoding('utf8').on('data', (message) => report({ type, data: { file, message: inSources(message) } }))
  const readEvents = eventReader(eventsPath, report)
  const poll = setInterval(readEvents, POLL_MS)

  const closed = new Promise((resolve) => child.once('close', resolve))
  const [code, signal] = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (...how) => resolve(how))
  })
  clearInterval(poll)
  clearTimeout(silence)
  readEvents()
  let openTimer
  const stayedOpen = new Promise((resolve) => (openTimer = setTimeout(resolve, OUTPUT_MS, true)))
  if ((await Promise.race([closed, stayedOpen])) === true) {
    problem ??= 'it has ended, and left a process that holds its output open'
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy()
  }
  clearTimeout(openTimer)
  if (problem === undefined && code !== 0 && !failed)
    problem = signal === null ? `it ended with ${code}` : `it was ended by ${signal}`
  if (problem === undefined && tests === 0) problem = 'no test is in it'
  return problem
}

/** Returns a function that reads the events that have been written since the last call, as far as their lines are complete. */
function eventReader(path, onEvent) {
  const decoder = new StringDecoder('utf8')
  const buffer = Buffer.alloc(65_536)
  let position = 0
  let text = ''
  return () => {
    const descriptor = openSync(path, 'r')
    try {
      for (;;) {
        const length = readSync(descriptor, buffer, 0, buffer.length, position)
        if (length === 0) break
        position += length
        text += decoder.write(buffer.subarray(0, length))
      }
    } finally {
      closeSync(descriptor)
    }
    const lines = text.split('\n')
    text = lines.pop()
    for (const line of lines) onEvent(revived(JSON.parse(line)))
  }
}

function revived(event) {
  const { details, file, line, column } = event.data
  if (details?.error !== undefined) details.error = errorOf(details.error)
  // Only failures are looked up.
  if (event.type === 'test:fail' && file !== undefined && line !== undefined)
    Object.assign(event.data, sourceOf(file.startsWith('file:') ? fileURLToPath(file) : file, line, column))
  return event
}

function errorOf({ name, message, stack, code, failureType, cause }) {
  const error = new Error(message, cause === undefined ? undefined : { cause: errorOf(cause) })
  Object.defineProperty(error, 'name', { value: name ?? 'Error' })
  error.stack = inSources(stack ?? message)
  if (code !== undefined) error.code = code
  if (failureType !== undefined) error.failureType = failureType
  return error
}

/** The state of a process, as Linux reports it. */
function stateOf(pid) {
  try {
    const [state] = /^State:.*$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').match(/\d+/g) ?? []
    const commands = children.map((child) =>
      readFileSync(`/proc/${child}/cmdline`, 'utf8').replaceAll('\0', ' ').trim(),
    )
    return [state, ...commands].join('; ')
  } catch (error) {
    return String(error)
  }
}
