/** Colours, or none. */

export type Style = 'bold' | 'dim' | 'alarm' | 'pause' | 'good' | number

export type Paint = (style: Style, text: string) => string

const CODES = { bold: '1', dim: '2', alarm: '1;31', pause: '33', good: '1;32' }
/** One for each worker. */
const WORKER_CODES = ['36', '35', '34', '32', '96', '95', '94', '92']

const inColour: Paint = (style, text) => {
  const code = typeof style === 'number' ? WORKER_CODES[(style - 1) % WORKER_CODES.length] : CODES[style]
  return `\x1b[${code}m${text}\x1b[0m`
}

const plain: Paint = (_style, text) => text

/** Colours where `stream` is a terminal that has some. `hasColors` minds NO_COLOR, FORCE_COLOR and TERM. */
export function paintFor(stream: NodeJS.WriteStream): Paint {
  return stream.isTTY && stream.hasColors() ? inColour : plain
}
