/**
 * The messages between members: lines of ASCII, a closed set. Anything else, or a line that is too long, is a violation, which
 * ends that connection and nothing more.
 *
 *     slocket/2 MEMBER    the first thing a connecting member says: who it is
 *     here MEMBER         the answer, at once; it counts as a wake-up
 *     wake TICKET         your ticket's turn may have come, or it was taken away: look
 *     who                 which requests do your tickets stand for? (asked once, without saying who asks)
 *     party JSON          the answer: { pid, command, for, tickets: { TICKET: [{ since, ns, label }] } }
 */

export type Frame =
  | { readonly kind: 'hello'; readonly member: string }
  | { readonly kind: 'here'; readonly member: string }
  | { readonly kind: 'wake'; readonly ticket: string }
  | { readonly kind: 'who' }
  | { readonly kind: 'party'; readonly json: string }

/** The longest line that a member takes from another, without its end. */
export const MAX_FRAME_BYTES = 64
/** The longest answer to `who` that is given or taken. */
export const MAX_PARTY_BYTES: number = 1 << 20

const WAKE = /^wake \d{19}-[a-z0-9]{12}$/
const LINE = /^(?:(slocket\/2|here) ([a-z0-9]{12})|(who)|party (\{.*\}))$/

/** Undefined for a violation. */
export function parseFrame(line: string): Frame | undefined {
  // Nearly all frames are of this kind.
  if (WAKE.test(line)) return { kind: 'wake', ticket: line.slice('wake '.length) }
  const match = LINE.exec(line)
  if (match === null) return undefined
  const [, greeting, member, who, json] = match
  if (member !== undefined) return { kind: greeting === 'here' ? 'here' : 'hello', member }
  if (who !== undefined) return { kind: 'who' }
  return { kind: 'party', json: json! }
}

export function formatFrame(frame: Frame): string {
  switch (frame.kind) {
    case 'hello':
      return `slocket/2 ${frame.member}\n`
    case 'here':
      return `here ${frame.member}\n`
    case 'wake':
      return formatWake(frame.ticket)
    case 'who':
      return 'who\n'
    case 'party':
      return `party ${frame.json}\n`
  }
}

/** A `wake` frame. */
export function formatWake(ticket: string): string {
  return `wake ${ticket}\n`
}

/** Splits the text that arrives over one connection into lines. */
export class LineSplitter {
  private readonly maxBytes: number
  private rest = ''

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  /** The lines that `text` completes; undefined once a line is too long. */
  push(text: string): string[] | undefined {
    // Usually one whole line arrives.
    if (this.rest === '' && text.indexOf('\n') === text.length - 1 && text.length <= this.maxBytes && text !== '')
      return [text.slice(0, -1)]
    const lines = (this.rest + text).split('\n')
    this.rest = lines.pop()!
    if (this.rest.length > this.maxBytes) return undefined
    for (const line of lines) if (line.length > this.maxBytes) return undefined
    return lines
  }
}
