/** A party of a scenario: the commands that a process, or one of its workers, obeys. */
import fs from 'node:fs'
import type { ClientEvent, Command, PlainOptions } from './commands.ts'
import { untilWaiting } from './lock-directory.ts'
import { until } from './until.ts'

/** A process, or one of its workers, that takes locks on command. */
export abstract class Party {
  /** The process id in its tickets. */
  abstract readonly ticketPid: number
  /** Commands that are sent together run in the same tick. */
  abstract send(...commands: readonly Command[]): void
  /** The first event of this name (and handle) that nobody has taken yet, now or later. */
  abstract next(event: string, as?: string): Promise<ClientEvent>

  /** Requests the lock, and waits until it is granted. */
  async acquire(path: string, options?: PlainOptions, as: string = 'lock'): Promise<ClientEvent> {
    this.send({ do: 'acquire', path, options: options ?? {}, as })
    return await this.next('granted', as)
  }

  /** Requests the lock, and waits until its ticket waits; `count`: the number of its tickets that wait, earlier ones included. */
  async enqueue(
    path: string,
    options?: PlainOptions,
    { as = 'lock', count = 1 }: { as?: string; count?: number } = {},
  ): Promise<void> {
    this.send({ do: 'acquire', path, options: options ?? {}, as })
    await untilWaiting(path, count, this.ticketPid)
  }

  /** Requests the lock, which must fail. */
  async fail(path: string, options?: PlainOptions, as: string = 'lock'): Promise<ClientEvent> {
    this.send({ do: 'acquire', path, options: options ?? {}, as })
    return await this.next('rejected', as)
  }

  /** True if the lock was granted without waiting. It stays held. */
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

  /** Resolves after a turn of its event loop. */
  async ping(): Promise<void> {
    this.send({ do: 'ping' })
    await this.next('pong')
  }
}

/** Waits until all of them have been granted their requests, in any order. Each releases its lock. */
export async function takeTurns(parties: readonly Party[]): Promise<void> {
  await Promise.all(
    parties.map(async (party) => {
      await party.next('granted')
      await party.release()
    }),
  )
}

/** A newcomer takes an unused lock and releases it. Then nothing of the lock may be left. */
export async function useOnceAndCleanUp(newcomer: Party, path: string): Promise<void> {
  await newcomer.acquire(path, { linger: 0 }, 'cleanup')
  const members = `${path}/.members`
  // Windows has none.
  if (process.platform !== 'win32')
    await until(`the sockets of dead members are gone from '${path}'`, () => filesIn(members).length === 1)
  await newcomer.release('cleanup')
  await until(`'${path}' is gone`, () => !fs.existsSync(path))
}

/** The files of members: on macOS, each has a socket beside it. */
function filesIn(members: string): string[] {
  return fs.readdirSync(members).filter((name) => !name.startsWith('socket-'))
}
