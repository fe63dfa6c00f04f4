/** Where the demo is shown: redrawn in place on a terminal, a line about once a second elsewhere. */
import type { View } from './view.ts'
import { frame, plainLine, WIDTH } from './view.ts'
import type { Paint } from './paint.ts'

const FRAME_MS = 80
const LINE_MS = 1000

const HIDE_CURSOR = '\x1b[?25l'
const SHOW_CURSOR = '\x1b[?25h'
const CLEAR_TO_END = '\x1b[0J'
const CLEAR_LINE = '\x1b[K'

export class Screen {
  /** How often `show` is to be called. */
  readonly intervalMs: number
  readonly #out: NodeJS.WriteStream
  readonly #paint: Paint
  readonly #isLive: boolean
  #height = 0

  /** @param workers how many rows there will be, more or less: a frame that does not fit cannot be redrawn in place. */
  constructor(out: NodeJS.WriteStream, paint: Paint, workers: number) {
    this.#out = out
    this.#paint = paint
    this.#isLive = out.isTTY && process.env.TERM !== 'dumb' && out.columns >= WIDTH && out.rows > workers + 10
    this.intervalMs = this.#isLive ? FRAME_MS : LINE_MS
    if (this.#isLive) out.write(HIDE_CURSOR)
  }

  show(view: View): void {
    if (!this.#isLive) {
      this.#out.write(`${plainLine(view)}\n`)
      return
    }
    const lines = frame(view, this.#paint)
    const up = this.#height === 0 ? '' : `\x1b[${this.#height}A`
    this.#height = lines.length
    // In one write: no half frames.
    this.#out.write(`${up}${lines.map((line) => `${line}${CLEAR_LINE}\n`).join('')}${CLEAR_TO_END}`)
  }

  close(): void {
    if (this.#isLive) this.#out.write(SHOW_CURSOR)
  }
}
