/** One who takes part: what every process, and every worker of one, can be told. */
import fs from 'node:fs'
import type { ClientEvent, Command, PlainOptions } from './commands.ts'
import { untilWaiting } from './lock-directory.ts'
import { until } from './until.ts'

/** One who can be told to take locks: a process, or a worker of one. */
export abstract class Party {
  /** The process id that its tickets carry. */
  abstract readonly ticketPid: number
  /** Commands that are sent together are done in one tick. */
  abstract send(...commands: readonly Command[]): void
  /** The first event of this name (and handle) that was not taken yet, now or when it comes. */
  abstract next(event: string, as?: string): Promise<ClientEvent>

  /** Asks for the lock, and waits until it is granted. */
  async acquire(path: string, options?: PlainOptions, as: string = 'lock'): Promise<ClientEvent> {
    this.send({ do: 'acquire', path, options: options ?? {}, as })
    return await this.next('granted', as)
  }

  /** Asks for the lock, and waits until its ticket says that it waits; `count`: together with earlier ones of it. */
  async enqueue(
    path: string,
    options?: PlainOptions,
    { as = 'lock', count = 1 }: { as?: string; count?: number } = {},
  ): Promise<void> {
    this.send({ do: 'acquire', path, options: options ?? {}, as })
    await untilWaiting(path, count, this.ticketPid)
  }

  /** Asks for the lock, which must fail. */
  async fail(path: string, options?: PlainOptions, as: string = 'lock'): Promise<ClientEvent> {
    this.send({ do: 'acquire', path, options: options ?? {}, as })
    return await this.next('rejected', as)
  }

  /** Whether the lock was to be had without waiting. It is kept then. */
  async try(path: string, options?: PlainOptions, as: string = 'try'): Promise<boolean> {
    this.send({ do: 'try', path, options: options ?? {}, as })
    return (await this.next('granted|refused', as)).event === 'granted'
  }

  async downgrade(as: string = 'lock'): Promise<void> {
    this.send({ do: 'downgrade', as })
    await this.next('downgraded', as)
  }

  async release(as: string = 'lock'): Promise<void> {
    this.send({ do: 'release', as })
    await this.next('released', as)
  }

  async isHolding(as: string = 'lock'): Promise<boolean> {
    this.send({ do: 'state', as })
    return (await this.next('state', as)).held === true
  }

  /** Resolves when its event loop has gone round. */
  async ping(): Promise<void> {
    this.send({ do: 'ping' })
    await this.next('pong')
  }
}

/** Each of them is granted what it waits for, in whatever order, and releases it. */
export async function takeTurns(parties: readonly Party[]): Promise<void> {
  await Promise.all(
    parties.map(async (party) => {
      await party.next('granted')
      await party.release()
    }),
  )
}

/** A newcomer to a lock that nobody uses takes it and leaves: then nothing is left of it. */
export async function sweep(newcomer: Party, path: string): Promise<void> {
  await newcomer.acquire(path, { linger: 0 }, 'sweep')
  const members = `${path}/.members`
  // On Windows there are none.
  if (process.platform !== 'win32')
    await until(`the sockets of the dead are gone from '${path}'`, () => filesIn(members).length === 1)
  await newcomer.release('sweep')
  await until(`'${path}' is gone`, () => !fs.existsSync(path))
}

/** Those of members: on macOS, each has a socket beside it. */
function filesIn(members: string): string[] {
  return fs.readdirSync(members).filter((name) => !name.startsWith('socket-'))
}
