/**
 * What a session says of itself: a comment in front of each of its statements, which the server shows in `pg_stat_activity.query`, to the same role
 * and to those who may see all. It is for people, and proves nothing. The server cuts it off at `track_activity_query_size` (1 kB).
 */
import os from 'node:os'
import path from 'node:path'
import type { PermitClaim } from '../../core/claim.ts'
import { formatPermits, parsePermits } from '../../core/claim.ts'

export interface About {
  readonly name: string
  readonly label: string | undefined
  readonly pid: number
  readonly command: string | undefined
  /** For how long it has been holding, when the statement begins, in ms. Undefined in the statement that takes the lock. */
  readonly heldMs: number | undefined
  /** For how long it has been waiting, when the statement begins, in ms, if it waits without a statement: see permit-gate.ts. */
  readonly waitedMs?: number | undefined
  /** Of a request for permits. */
  readonly claim?: PermitClaim | undefined
}

const BEGIN = '/*slocket '
const END = '*/'
/** What fits, with the statement's beginning, into what the server shows. */
const MOST_BYTES = 900
const MOST_NAME = 200

/** A comment to be put in front of a statement. */
export function describeSession({ name, label, pid, command, heldMs, waitedMs, claim }: About): string {
  const permits = claim && formatPermits(claim)
  const known = { pid, host: os.hostname(), held: heldMs, waited: waitedMs, permits }
  // What matters least goes first.
  for (const about of [
    { ...known, label, name, command },
    { ...known, label, name: name.slice(0, MOST_NAME), command: undefined },
    { ...known, label },
    { ...known, label: label?.slice(0, MOST_NAME / 2) },
  ]) {
    const text = toAscii(about)
    if (text.length <= MOST_BYTES) return `${BEGIN}${text}${END}`
  }
  return `${BEGIN}${toAscii(known)}${END}`
}

/** Undefined where the session says nothing of that kind. */
export function parseSession(text: string | null): About | undefined {
  if (text === null || !text.startsWith(BEGIN)) return undefined
  const end = text.indexOf(END, BEGIN.length)
  if (end === -1) return undefined
  try {
    const { pid, held, waited, permits, label, name, command } = JSON.parse(text.slice(BEGIN.length, end)) as Record<
      string,
      unknown
    >
    if (typeof pid !== 'number' || !Number.isInteger(pid) || pid <= 0) return undefined
    return {
      name: textOf(name) ?? '',
      label: textOf(label),
      pid,
      command: textOf(command),
      heldMs: durationOf(held),
      waitedMs: durationOf(waited),
      claim: typeof permits === 'string' ? parsePermits(permits) : undefined,
    }
  } catch {
    // Somebody else's, or cut off.
    return undefined
  }
}

function durationOf(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 && value < 8.64e15 ? value : undefined
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** Without a slash, so that no comment begins or ends in it; and in letters that every encoding has. */
function toAscii(value: unknown): string {
  return JSON.stringify(value).replaceAll(/[/\u007f-\uffff]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/** The program, without its arguments: the server may write statements to its log. */
export function programName(): string {
  const [node = '', script] = process.argv
  return [node, script].flatMap((word) => (word === undefined ? [] : [path.basename(word)])).join(' ')
}
