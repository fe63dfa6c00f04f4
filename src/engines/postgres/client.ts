/** Loads `pg` when the first lock is requested, and declares the parts of it that the engine uses. */
import type { Socket } from 'node:net'
import { asMissingClient } from '../missing-client.ts'
import { SlocketError, systemCode } from '../../errors.ts'

/** A row. All columns are selected as text. */
export type Row = Readonly<Record<string, string | null>>

export interface SqlStatement {
  readonly text: string
  /** The name under which the server keeps it prepared. */
  readonly name?: string | undefined
  /** The values of its parameters. */
  readonly values?: string[] | undefined
}

export interface SqlResult {
  readonly rows: Row[]
}

export interface SqlClient {
  /** The process id that the server reported on connecting. A pooler reports another number. */
  readonly processID: number | null
  readonly connectionParameters: { query_timeout?: unknown }
  readonly connection: {
    readonly stream: Pick<Socket, 'once' | 'connecting' | 'ref' | 'unref' | 'destroy' | 'writableLength'>
    /** Sends the message Flush, which has no answer. */
    flush(): void
  }
  connect(): Promise<unknown>
  /** If the text has several statements, there is a result for each. */
  query(statement: SqlStatement): Promise<SqlResult | SqlResult[]>
  end(): Promise<void>
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'end', listener: () => void): unknown
  /** Called for a notification on a channel that the session listens to. */
  on(event: 'notification', listener: () => void): unknown
}

/** Makes a client that is not connected yet. */
export type MakeClient = () => SqlClient

/** Makes a client. `pg` reads the options, and the files that they name. @throws TypeError, ERR_SLOCKET_SYSTEM */
function makeClient(make: MakeClient): SqlClient {
  let failure: Error
  try {
    return make()
  } catch (error) {
    failure = error as Error
  }
  // The cause is left out: it contains the URL, maybe with a password.
  if (systemCode(failure) === 'ERR_INVALID_URL') throw new TypeError('options.connectionString is not a valid URL')
  const message = `pg cannot make a connection from these options: ${failure.message}`
  throw new SlocketError('ERR_SLOCKET_SYSTEM', message, { cause: failure })
}

/** @throws ERR_SLOCKET_NO_CLIENT */
export async function loadClient(config: Readonly<Record<string, unknown>>): Promise<MakeClient> {
  try {
    // In the package, this becomes a call of `require`, which returns `pg` itself: scripts/build-dist.js.
    const loaded = await import('pg')
    const pg = loaded.default ?? loaded
    return () =>
      makeClient(() => {
        const client = new pg.Client(config) as unknown as SqlClient
        // A program may have set a timeout for all clients (pg.defaults), which no option can override. It would end waits.
        client.connectionParameters.query_timeout = 0
        return client
      })
  } catch (error) {
    throw asMissingClient(error, "locks on PostgreSQL need the package 'pg', which is not installed", 'pg')
  }
}
