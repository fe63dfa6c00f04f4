/**
 * Passes on the channel of a supervisor (child_process.fork, pm2): a socket that the variable NODE_CHANNEL_FD names. It is meant for the command, but
 * Node opens it for this process before any code of ours runs, removes the variables, and reads what arrives.
 *
 * Nothing is read before the event loop turns for the first time, so the command still gets what was sent until then. (But not with
 * `--import` in NODE_OPTIONS, since Node turns the event loop to load that.)
 */
import fs from 'node:fs'
import { quietly } from './quietly.ts'

export interface Channel {
  readonly descriptor: number
  /** The variables that Node has removed. */
  readonly env: Readonly<Record<string, string>>
  /** Closes it in this process, once the command has it: the supervisor must see when the command closes it. */
  close(): void
}

/** The handle from which Node reads the channel. All versions from 20 to 26 have it under a symbol of this name. */
interface Handle {
  readStop(): void
  setBlocking(isBlocking: boolean): void
}

const HANDLE = 'kChannelHandle'
const VARIABLE = /^(NODE_CHANNEL_[A-Z_]+)=(.*)$/

/** Must be called before the event loop turns. Undefined if there is no channel. */
export function takeChannel(): Channel | undefined {
  if (process.channel === undefined) return undefined
  // The environment as it was at the start: proc_pid_environ(5).
  const variables = quietly(() => fs.readFileSync('/proc/self/environ', 'utf8'))?.split('\0') ?? []
  const env = Object.fromEntries(
    variables.flatMap((variable) => {
      const [, name, value] = VARIABLE.exec(variable) ?? []
      return name === undefined ? [] : [[name, value!]]
    }),
  )
  const descriptor = Number(env['NODE_CHANNEL_FD'])
  if (!Number.isInteger(descriptor)) return undefined
  stopReading()
  return { descriptor, env, close: () => process.disconnect() }
}

/** Leaves the channel as the supervisor created it. */
function stopReading(): void {
  const symbol = Object.getOwnPropertySymbols(process).find(({ description }) => description === HANDLE)
  const handle = symbol && (process as unknown as Record<symbol, Handle | undefined>)[symbol]
  handle?.readStop()
  handle?.setBlocking(true)
}
