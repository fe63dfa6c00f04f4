/**
 * The engine for PostgreSQL: a lock is a session's advisory lock, and the server keeps the queue. docs/engines/postgres.md says what is
 * promised; docs/decisions/0010-postgresql.md says why it is done this way.
 */
import type { AcquireRequest, Engine, EngineSnapshot, Grant } from '../../requests/engine.ts'
import { onAbort } from '../../requests/on-abort.ts'
import type { AcquireParts } from './acquire.ts'
import type { MakeClient, Row } from './client.ts'
import { loadClient } from './client.ts'
import { notAfterNowMs, steadyMs } from './clock.ts'
import { Control } from './control.ts'
import { checkExclusion } from './exclusion.ts'
import { keepAlive } from '../keep-alive.ts'
import type { PostgresOptions, Settings } from './options.ts'
import { parsePostgresOptions } from './options.ts'
import { Request } from './request.ts'
import { checkSequence } from './sequence.ts'
import type { OpenSession } from './session.ts'
import { Session } from './session.ts'
import type { Scope } from './scope.ts'
import { scopeOf } from './scope.ts'
import { setUp } from './set-up.ts'
import { ALL_LOCKS, snapshotStatement, toSnapshot, toSnapshots } from './snapshot.ts'
import { RecentStatements } from './recent-statements.ts'
import { WaitingRoom } from './waiting-room.ts'

/**
 * Makes an engine whose locks live in a PostgreSQL database (version 14 or later), for all processes that can connect to it. Each lock uses a connection of
 * its own: make one engine per process, and use it for all locks. It connects for the first request, and disconnects some time after the last release.
 *
 * It needs the package `pg`: install it beside slocket.
 *
 * ```js
 * const engine = postgres({ connectionString: 'postgres://app@db.example/app' })
 * const lock = await slocket('deploy', { engine })
 * ```
 *
 * If the holder crashes, its connection ends, and the next waiter gets the lock within milliseconds (a request that waits for permits: within a heartbeat). If its machine is cut off from the network, the next
 * waiter gets the lock within about ten seconds; before that, the holder's `lock.signal` aborts, and `lock.assertHeld()` throws.
 *
 * @param options see {@link PostgresOptions}.
 * @throws TypeError, RangeError for wrong or unknown options.
 */
export function postgres(options: PostgresOptions): Engine {
  return openPostgres(parsePostgresOptions(options))
}

function openPostgres(settings: Settings): Engine {
  const scope = scopeOf(settings)
  const open = opener(settings, scope)
  const control = new Control(open, settings.heartbeatMs)
  const statements = new RecentStatements(settings, scope)
  const parts = { control, settings, scope, now: steadyMs }
  const room = new WaitingRoom({ ...parts, open: checkedOnce(open, parts) })
  return {
    name: 'postgres',
    capabilities: {
      ordered: true,
      shared: true,
      // A transaction would keep the gate until its end.
      permits: !scope.isTransaction,
      take: !scope.isTransaction,
      recovered: false,
      // A transaction keeps its locks until its end.
      downgrade: !scope.isTransaction,
      places: settings.maxConnections,
    },
    acquire: (resource, asked) =>
      new Promise<Grant | null>((resolve, reject) => {
        refuseUnsupported(asked, scope)
        asked.signal?.throwIfAborted()
        room.enter(new Request(asked, statements.of(resource, asked), { resolve, reject }))
      }),
    placesInUse: () => room.placesInUse(),
    async query(resource, signal): Promise<EngineSnapshot> {
      const { namespace } = settings
      const rows = await look(control, snapshotStatement(namespace, resource), `look at the lock '${resource}'`, signal)
      return toSnapshot(rows, room.pids, namespace, resource)
    },
    async queryAll(): Promise<ReadonlyMap<string, EngineSnapshot>> {
      return toSnapshots(await look(control, ALL_LOCKS, 'look at all locks'), room.pids, settings.namespace)
    },
  }
}

/**
 * Runs a query. Settles as soon as `signal` aborts; from then on, it doesn't keep the process alive.
 *
 * @throws `signal.reason`; as `Control.run`.
 */
async function look(control: Control, statement: string, doing: string, signal?: AbortSignal): Promise<Row[]> {
  const stopKeepAlive = keepAlive()
  let stopListening: (() => void) | undefined
  try {
    return await new Promise<Row[]>((resolve, reject) => {
      stopListening = signal && onAbort(signal, () => reject(signal.reason as Error))
      control.run(statement, doing, signal).then(resolve, reject)
    })
  } finally {
    stopListening?.()
    stopKeepAlive()
  }
}

function refuseUnsupported({ claim, steal }: AcquireRequest, { isTransaction }: Scope): void {
  if (claim.kind === 'permit' && isTransaction)
    throw new TypeError(
      'the engine for PostgreSQL has no permits through a pooler: connect to the server itself (docs/engines/postgres.md says why)',
    )
  if (steal === true) throw new TypeError('the engine for PostgreSQL cannot steal locks')
}

/** Opens sessions. */
function opener(settings: Settings, scope: Scope): OpenSession {
  let loading: Promise<MakeClient> | undefined
  return async (signal) => {
    loading ??= loadClient(clientSettings(settings))
    loading.catch(() => (loading = undefined))
    const session = await Session.open(
      { make: await loading, patienceMs: settings.patienceMs, now: notAfterNowMs, prelude: scope.prelude },
      signal,
    )
    await setUp(session, settings)
    return session
  }
}

/** Opens sessions for locks. Each session checks the sequence and the exclusion until one has succeeded; a failure concerns only its own session. */
function checkedOnce(open: OpenSession, { control, settings, scope }: AcquireParts): OpenSession {
  let isChecked = false
  return async (signal) => {
    if (isChecked) return await open(signal)
    const session = await open(signal)
    try {
      await checkSequence(session, settings.sequence)
      if (await checkExclusion(session, control, scope)) isChecked = true
      return session
    } catch (error) {
      session.end(error as Error)
      throw error
    }
  }
}

function clientSettings({ client, heartbeatMs }: Settings): Record<string, unknown> {
  return {
    application_name: 'slocket',
    ...client,
    // A waiter notices that the server is gone, and routers in between don't forget the connection.
    keepAlive: true,
    keepAliveInitialDelayMillis: heartbeatMs,
    types: AS_TEXT,
    binary: false,
    pipeline: false,
  }
}

/** Columns are selected as text. They stay text, even if a program has set another parser for the type in `pg`. */
const AS_TEXT = { getTypeParser: () => String }

export { lockTransaction } from './transaction.ts'
export type { TransactionClient, TransactionLockOptions } from './transaction.ts'
export type { PostgresOptions } from './options.ts'
export type {
  AcquireRequest,
  Engine,
  EngineCapabilities,
  EngineSnapshot,
  Grant,
  Requester,
} from '../../requests/engine.ts'
export type { Obstacle, ObstacleKind } from '../../requests/obstacle.ts'
export type { Claim, ExclusiveClaim, PermitClaim, SharedClaim } from '../../core/claim.ts'
