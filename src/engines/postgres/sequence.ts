/** The sequence that tokens come from: made by the first who is permitted to, and looked at. */
import { SlocketError, systemCode } from '../../errors.ts'
import type { Session } from './session.ts'

/** `CREATE … IF NOT EXISTS` fails with one of these where two do it at one time. */
const ALREADY_THERE: ReadonlySet<unknown> = new Set(['23505', '42P07', '42710'])
const NOT_PERMITTED = '42501'
const NO_SCHEMA = '3F000'

/** @param sequence quoted. @throws ERR_SLOCKET_PERMISSION, ERR_SLOCKET_SYSTEM */
export async function createSequence(session: Session, sequence: string): Promise<void> {
  const doing = `make the sequence ${sequence}`
  try {
    await session.run(`CREATE SEQUENCE IF NOT EXISTS ${sequence}`, { doing, isBackground: true })
  } catch (error) {
    if (session.hasEnded) throw error
    const cause = causeOf(error)
    const state = systemCode(cause)
    if (state === NOT_PERMITTED) throw notPermitted(sequence, cause)
    if (state === NO_SCHEMA) throw new SlocketError('ERR_SLOCKET_SYSTEM', `${doing}: no such schema`, { cause })
    if (!ALREADY_THERE.has(state)) throw error
  }
  const statement = `SELECT has_sequence_privilege('${sequence}', 'USAGE, UPDATE')::text AS usable`
  const [row] = await session.run(statement, {
    doing: `look at the sequence ${sequence}`,
    isBackground: true,
  })
  if (row!['usable'] !== 'true') throw notPermitted(sequence, undefined)
}

/** @throws ERR_SLOCKET_SYSTEM where its values do not grow from one session to the next. */
export async function checkSequence(session: Session, sequence: string): Promise<void> {
  const statement = `SELECT (seqcache = 1 AND seqincrement > 0 AND NOT seqcycle)::text AS grows
    FROM pg_sequence WHERE seqrelid = to_regclass('${sequence}')`
  const [row] = await session.run(statement, {
    doing: `look at the sequence ${sequence}`,
    isBackground: true,
  })
  if (row?.['grows'] === 'true') return
  const message = `the sequence ${sequence} does not grow from one session to the next: it needs CACHE 1, a positive INCREMENT and NO CYCLE`
  throw new SlocketError('ERR_SLOCKET_SYSTEM', message)
}

function notPermitted(sequence: string, cause: unknown): SlocketError {
  const message = `tokens come from the sequence ${sequence}, which this role may not make, or use. As an administrator: CREATE SEQUENCE IF NOT EXISTS ${sequence}; GRANT USAGE ON SEQUENCE ${sequence} TO …`
  return new SlocketError('ERR_SLOCKET_PERMISSION', message, { cause })
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined
}
