/**
 * Describes a session by a comment in front of each of its statements. The server shows it in `pg_stat_activity.query` to the same role, and to roles that can see
 * all sessions. It is for people; no decision depends on it. The server cuts it off at `track_activity_query_size` (1 kB).
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
  /** How long it has held the lock when the statement begins, in ms. Undefined in the statement that takes the lock. */
  readonly heldMs: number | undefined
  /** How long it has waited when the statement begins, in ms, if it waits without a statement: see permit-gate.ts. */
  readonly waitedMs?: number | undefined
  /** Only for requests for permits. */
  readonly claim?: PermitClaim | undefined
}

const BEGIN = '/*slocket '
const END = '*/'
/** Leaves room for the statement's beginning in what the server shows. */
const MOST_BYTES = 900
const MOST_NAME = 200

/** Returns the comment to put in front of a statement. */
export function describeSession({ name, label, pid, command, heldMs, waitedMs, claim }: About): string {
  const permits = claim && formatPermits(claim)
  const known = { pid, host: os.hostname(), held: heldMs, waited: waitedMs, permits }
  // If it is too long, the least important parts are left out first.
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

/** Returns undefined if the statement has no such comment. */
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
    // The comment belongs to another program, or is cut off.
    return undefined
  }
}

function durationOf(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 && value < 8.64e15 ? value : undefined
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** Returns JSON without slashes, so that it can't begin or end a comment, and in ASCII, which every encoding contains. */
function toAscii(value: unknown): string {
  return JSON.stringify(value).replaceAll(/[/\u007f-\uffff]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/** Returns the program without its arguments, since the server may log statements. */
export function programName(): string {
  const [node = '', script] = process.argv
  return [node, script].flatMap((word) => (word === undefined ? [] : [path.basename(word)])).join(' ')
}
