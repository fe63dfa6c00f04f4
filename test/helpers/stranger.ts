/** A process that isn't a member: it connects to sockets, or listens at one, and sends anything at any pace. */
import net from 'node:net'
import { setTimeout as after } from 'node:timers/promises'
import fc from 'fast-check'
import type { Scene } from './scenario.ts'

/** `text` is bytes, one per character; `<WORD>` stands for a value that is only known at run time. */
export type StrangerStep =
  | { readonly do: 'send'; readonly text: string; readonly times?: number }
  | { readonly do: 'pause' | 'end' | 'reset' | 'stop reading' }

/** What is left open at the end stays open until `hangUp`. */
export class Stranger {
  readonly #socket: net.Socket

  constructor(socket: net.Socket) {
    this.#socket = socket
    socket.on('error', () => {})
    socket.resume()
  }

  /** At most until the scene ends. */
  static connect(scene: Scene, path: string): Stranger {
    const stranger = new Stranger(net.connect({ path }))
    scene.onEnd(() => stranger.hangUp())
    return stranger
  }

  async take(step: StrangerStep, words: Readonly<Record<string, string>>): Promise<void> {
    switch (step.do) {
      case 'send': {
        const text = step.text.replaceAll(/<([a-z ]+)>/g, (whole, word: string) => words[word] ?? whole)
        if (this.#socket.writable) this.#socket.write(Buffer.from(text.repeat(step.times ?? 1), 'latin1'))
        return
      }
      case 'pause':
        return await after(1)
      case 'end':
        return void this.#socket.end()
      case 'reset':
        return void this.#socket.destroy()
      case 'stop reading':
        return void this.#socket.pause()
    }
  }

  hangUp(): void {
    this.#socket.destroy()
  }
}

const LETTERS = [...'abcdefghijklmnopqrstuvwxyz0123456789']
const ids = fc.string({ unit: fc.constantFrom(...LETTERS), minLength: 12, maxLength: 12 })
const numbers = fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: 19, maxLength: 19 })

/** Well-formed frames. Many look like those of other members, with the placeholders for them. */
export function framesWith(members: readonly string[], tickets: readonly string[]): fc.Arbitrary<string> {
  const member = fc.oneof(fc.constantFrom(...members), ids)
  const ticket = fc.oneof(
    fc.constantFrom(...tickets),
    fc.tuple(numbers, ids).map((parts) => parts.join('-')),
  )
  return fc.oneof(
    { weight: 3, arbitrary: member.map((id) => `slocket/2 ${id}\n`) },
    { weight: 2, arbitrary: member.map((id) => `here ${id}\n`) },
    { weight: 3, arbitrary: ticket.map((id) => `wake ${id}\n`) },
    { weight: 1, arbitrary: fc.constant('who\n') },
    { weight: 1, arbitrary: fc.json().map((json) => `party ${json}\n`) },
  )
}

/** Bytes that are frames, or almost, or not at all. */
export function bytesOf(frames: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const anyBytes = fc.string({ unit: fc.nat(255).map((byte) => String.fromCharCode(byte)), maxLength: 100 })
  const several = fc.array(frames, { minLength: 1, maxLength: 6 }).map((texts) => texts.join(''))
  const odd = fc.constantFrom('\0', '\r\n', '\n\n', ' ', '\xc3\xa9', '\xff\xfe', '\xf0\x9f\x94\x92', 'WHO\n', '\t', '<')
  const mutated = fc
    .tuple(several, fc.nat(), fc.nat(3), fc.oneof(odd, anyBytes, fc.constant('')))
    .map(([text, place, dropped, put]) => {
      const at = place % (text.length + 1)
      return text.slice(0, at) + put + text.slice(at + dropped)
    })
  const long = fc
    .tuple(frames, fc.integer({ min: 50, max: 70_000 }))
    .map(([text, size]) => text.trim().padEnd(size, 'x'))
  return fc.oneof(
    { weight: 4, arbitrary: several },
    { weight: 4, arbitrary: mutated },
    { weight: 1, arbitrary: anyBytes },
    { weight: 1, arbitrary: long },
  )
}

/** One connection: bytes, cut anywhere and sent in pieces, with pauses, then an end of some kind or none. */
export function connectionsOf(bytes: fc.Arbitrary<string>): fc.Arbitrary<StrangerStep[]> {
  const cuts = fc.array(fc.nat(), { maxLength: 4 })
  const deeds = fc.constantFrom<StrangerStep['do']>('pause', 'pause', 'stop reading')
  const last = fc.constantFrom<'end' | 'reset' | 'stay'>('end', 'reset', 'stay', 'stay')
  const floods = fc.constantFrom(1, 1, 1, 1, 1, 1, 1000)
  return fc
    .tuple(bytes, cuts, fc.array(deeds, { maxLength: 4 }), last, floods)
    .map(([text, places, between, end, times]) => {
      const sorted = places.map((place) => place % (text.length + 1)).sort((a, b) => a - b)
      const steps: StrangerStep[] = []
      for (const [index, at] of [...sorted, text.length].entries()) {
        const piece = text.slice(sorted[index - 1] ?? 0, at)
        steps.push({
          do: 'send',
          text: piece,
          ...(times > 1 && sorted.length === 0 && piece.length < 100 ? { times } : {}),
        })
        const deed = between[index]
        if (deed !== undefined) steps.push({ do: deed } as StrangerStep)
      }
      if (end !== 'stay') steps.push({ do: end })
      return steps
    })
}
