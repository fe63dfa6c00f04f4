/** Starts the command, and waits for its end. */
import { spawn } from 'node:child_process'
import type { ChildProcess, SpawnOptions, StdioOptions } from 'node:child_process'
import { systemCode } from '../errors.ts'
import type { Channel } from './channel.ts'
import { NOT_EXECUTABLE, NOT_FOUND, SIGNAL_BASE } from './exit-status.ts'
import { say } from './output.ts'
import { isLineForCmd } from './shell.ts'
import type { Signals } from './signals.ts'
import { signalNumber } from './signals.ts'

export interface Ending {
  readonly status: number
  /** False if it could not be started. */
  readonly hasBegun: boolean
  /** The signal that ended it, or null if none did. */
  readonly signal: NodeJS.Signals | null
}

export interface Descriptors {
  /** The descriptors that the command gets under the same numbers. */
  readonly inherited: readonly number[]
  /** The channel of a supervisor. */
  readonly channel: Channel | undefined
  /** The descriptors that keep the lock. Empty if the command must not have it. */
  readonly lock: readonly number[]
}

export async function runCommand(
  [program, ...parameters]: readonly [string, ...string[]],
  env: Readonly<Record<string, string>>,
  descriptors: Descriptors,
  signals: Signals,
): Promise<Ending> {
  return await new Promise((resolve) => {
    const { channel } = descriptors
    const options = {
      stdio: stdioOf(descriptors),
      env: { ...process.env, ...channel?.env, ...env },
      windowsVerbatimArguments: isLineForCmd(parameters),
    }
    const child = start(program, parameters, options)
    channel?.close()
    if (child instanceof Error) return resolve(notStarted(program, child))
    signals.passTo(child)
    child.on('error', (error) => {
      if (child.pid === undefined) resolve(notStarted(program, error))
      // It runs as another user by now (sudo), and has the lock until it ends.
      else say(`a signal cannot be passed on to ${program}: ${systemCode(error)}`)
    })
    child.once('exit', (status, signal) => {
      resolve({ status: status ?? SIGNAL_BASE + signalNumber(signal!), hasBegun: true, signal })
    })
  })
}

/** Node throws some failures of the system, and reports the rest as an event. */
function start(program: string, parameters: readonly string[], options: SpawnOptions): ChildProcess | Error {
  try {
    return spawn(program, parameters, options)
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    return error as Error
  }
}

function notStarted(program: string, error: Error): Ending {
  const isMissing = program === '' || systemCode(error) === 'ENOENT'
  say(`${program === '' ? "''" : program}: ${isMissing ? 'not found' : `cannot be started: ${systemCode(error)}`}`)
  return { status: isMissing ? NOT_FOUND : NOT_EXECUTABLE, hasBegun: false, signal: null }
}

/**
 * Passes each descriptor under its own number. Another number might be that of the pipe by which libuv's fork reports that it cannot exec.
 * The pipe would be overwritten, and the failure would become an exit with 127. Descriptors beyond 2 that are 'ignore' stay closed.
 */
function stdioOf({ inherited, channel, lock }: Descriptors): StdioOptions {
  const stdio: (number | 'inherit' | 'ignore')[] = ['inherit', 'inherit', 'inherit']
  for (const descriptor of [...inherited, channel?.descriptor, ...lock]) {
    if (descriptor === undefined) continue
    while (stdio.length < descriptor) stdio.push('ignore')
    stdio[descriptor] = descriptor
  }
  return stdio
}
