/** Creates and checks the sequence that tokens come from. The first session that has the permission creates it. */
import { SlocketError, systemCode } from '../../errors.ts'
import type { Session } from './session.ts'

/** If two sessions run `CREATE … IF NOT EXISTS` at the same time, one of them may fail with one of these. */
const ALREADY_THERE: ReadonlySet<unknown> = new Set(['23505', '42P07', '42710'])
const NOT_PERMITTED = '42501'
const NO_SCHEMA = '3F000'

/** @param sequence quoted. @throws ERR_SLOCKET_PERMISSION, ERR_SLOCKET_SYSTEM */
export async function createSequence(session: Session, sequence: string): Promise<void> {
  const doing = `create the sequence ${sequence}`
  try {
    await session.run(`CREATE SEQUENCE IF NOT EXISTS ${sequence}`, { doing, isBackground: true })
  } catch (error) {
    if (session.hasEnded) throw error
    const cause = causeOf(error)
    const state = systemCode(cause)
    if (state === NOT_PERMITTED) throw notPermitted(sequence, cause)
    if (state === NO_SCHEMA) throw new SlocketError('ERR_SLOCKET_SYSTEM', `cannot ${doing}: no such schema`, { cause })
    if (!ALREADY_THERE.has(state)) throw error
  }
  const statement = `SELECT has_sequence_privilege('${sequence}', 'USAGE, UPDATE')::text AS usable`
  const [row] = await session.run(statement, {
    doing: `check the sequence ${sequence}`,
    isBackground: true,
  })
  if (row!['usable'] !== 'true') throw notPermitted(sequence, undefined)
}

/** @throws ERR_SLOCKET_SYSTEM if its values don't grow across sessions, or a crash sets it back. */
export async function checkSequence(session: Session, sequence: string): Promise<void> {
  const statement = `SELECT (seqcache = 1 AND seqincrement > 0 AND NOT seqcycle)::text AS grows, (relpersistence = 'p')::text AS lasts
    FROM pg_sequence JOIN pg_class ON pg_class.oid = seqrelid WHERE seqrelid = to_regclass('${sequence}')`
  const [row] = await session.run(statement, {
    doing: `check the sequence ${sequence}`,
    isBackground: true,
  })
  if (row?.['grows'] === 'true' && row['lasts'] === 'true') return
  const message =
    row?.['grows'] === 'true'
      ? `the sequence ${sequence} is unlogged, so a crash of the server sets it back. As an administrator, run: ALTER SEQUENCE ${sequence} SET LOGGED`
      : `the values of the sequence ${sequence} do not grow across sessions: it needs CACHE 1, a positive INCREMENT and NO CYCLE`
  throw new SlocketError('ERR_SLOCKET_SYSTEM', message)
}

function notPermitted(sequence: string, cause: unknown): SlocketError {
  const message = `tokens come from the sequence ${sequence}, which this role cannot create or use. As an administrator, run: CREATE SEQUENCE IF NOT EXISTS ${sequence}; GRANT USAGE ON SEQUENCE ${sequence} TO …`
  return new SlocketError('ERR_SLOCKET_PERMISSION', message, { cause })
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined
}
