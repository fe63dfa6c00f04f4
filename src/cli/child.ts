/** Starts the command, and waits for its end. */
import { spawn } from 'node:child_process'
import type { ChildProcess, SpawnOptions, StdioOptions } from 'node:child_process'
import { systemCode } from '../errors.ts'
import type { Channel } from './channel.ts'
import { NOT_EXECUTABLE, NOT_FOUND, SIGNAL_BASE } from './exit-status.ts'
import { say } from './output.ts'
import type { Signals } from './signals.ts'
import { signalNumber } from './signals.ts'

export interface Ending {
  readonly status: number
  /** False if it could not be started. */
  readonly hasBegun: boolean
  /** By which it was ended, where it was by one. */
  readonly signal: NodeJS.Signals | null
}

export interface Descriptors {
  /** What the command gets by the numbers that they have here. */
  readonly inherited: readonly number[]
  /** That of a supervisor. */
  readonly channel: Channel | undefined
  /** What keeps the lock; nothing where the command is not to have it. */
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
    const options = { stdio: stdioOf(descriptors), env: { ...process.env, ...channel?.env, ...env } }
    const child = start(program, parameters, options)
    channel?.close()
    if (child instanceof Error) return resolve(notStarted(program, child))
    signals.passTo(child)
    child.on('error', (error) => {
      if (child.pid === undefined) resolve(notStarted(program, error))
      // It runs as somebody else by now (sudo), and has the lock until it ends.
      else say(`a signal cannot be passed on to ${program}: ${systemCode(error)}`)
    })
    child.once('exit', (status, signal) => {
      resolve({ status: status ?? SIGNAL_BASE + signalNumber(signal!), hasBegun: true, signal })
    })
  })
}

/** Some of what hinders the system Node throws, the rest comes as an event. */
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
 * Each by the number that it has here. Another one might be that of the pipe by which libuv's fork tells that it cannot exec;
 * it would be overwritten, and the failure be an exit with 127. What is ignored beyond 2 stays closed.
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
