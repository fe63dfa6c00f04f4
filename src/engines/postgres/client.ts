/** What is used of `pg`, and how it is loaded: when the first lock is asked for. */
import type { Socket } from 'node:net'
import { asMissingClient } from '../missing-client.ts'
import { SlocketError, systemCode } from '../../errors.ts'

/** A row: all columns are asked for as text. */
export type Row = Readonly<Record<string, string | null>>

export interface SqlStatement {
  readonly text: string
  /** By which it is prepared, or is to be prepared. */
  readonly name?: string | undefined
  /** Of its parameters. */
  readonly values?: string[] | undefined
}

export interface SqlResult {
  readonly rows: Row[]
}

export interface SqlClient {
  /** As the server has told it at the start; a pooler tells another one. */
  readonly processID: number | null
  readonly connectionParameters: { query_timeout?: unknown }
  readonly connection: {
    readonly stream: Pick<Socket, 'once' | 'connecting' | 'ref' | 'unref' | 'destroy' | 'writableLength'>
    /** Sends the message Flush, which nobody answers. */
    flush(): void
  }
  connect(): Promise<unknown>
  /** Of several statements in one text, a result each. */
  query(statement: SqlStatement): Promise<SqlResult | SqlResult[]>
  end(): Promise<void>
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'end', listener: () => void): unknown
  /** Of a channel that the session listens to. */
  on(event: 'notification', listener: () => void): unknown
}

/** Makes a client that is not connected yet. */
export type MakeClient = () => SqlClient

/** `pg` reads the options, and files that they name. @throws TypeError, ERR_SLOCKET_SYSTEM */
function makeClient(make: MakeClient): SqlClient {
  let failure: Error
  try {
    return make()
  } catch (error) {
    failure = error as Error
  }
  // Without its cause: that has the address in it, maybe with a password.
  if (systemCode(failure) === 'ERR_INVALID_URL') throw new TypeError('options.connectionString is no valid URL')
  const message = `pg cannot make a connection of these options: ${failure.message}`
  throw new SlocketError('ERR_SLOCKET_SYSTEM', message, { cause: failure })
}

/** @throws ERR_SLOCKET_NO_CLIENT */
export async function loadClient(config: Readonly<Record<string, unknown>>): Promise<MakeClient> {
  try {
    // In the package, a call of `require`, which gives `pg` itself: scripts/build-dist.js.
    const loaded = await import('pg')
    const pg = loaded.default ?? loaded
    return () =>
      makeClient(() => {
        const client = new pg.Client(config) as unknown as SqlClient
        // A program may have given one to all its clients (pg.defaults), and no option takes it away: it would end waits.
        client.connectionParameters.query_timeout = 0
        return client
      })
  } catch (error) {
    throw asMissingClient(error, "locks on PostgreSQL need the package 'pg', which is not installed", 'pg')
  }
}
