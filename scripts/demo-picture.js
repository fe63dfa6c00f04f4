// Draws a moment of the demo as docs/pictures/demo.svg: npm run demo:picture -- [--record [--seconds N] | --check]
//
// The picture is made from demo/recording.txt, and is the same for the same recording. --record runs the demo first, on a terminal that `script` makes, and
// writes a recording: one frame, right after a holder was killed, and the closing lines. Numbers depend on the machine, so record on an idle one.
// --check only compares, and fails if the picture isn't up to date.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = fileURLToPath(new URL('..', import.meta.url))
const RECORDING = `${root}demo/recording.txt`
const PICTURE = `${root}docs/pictures/demo.svg`
const ALT =
  'npm run demo: eight processes take one lock in turn, and the next one has it milliseconds after its holder was killed'

/** Replaces ESC in a recording, so that it is plain text. */
const ESCAPE = '␛'
const SHOW_CURSOR = `${ESCAPE}[?25h`
const COLUMNS = 80
const CHARACTER = 8.4
const LINE = 20
const MARGIN = 20
const BAR = 34
const BACKGROUND = '#0d1117'
/** Makes the edge visible on a dark page. */
const BORDER = '#30363d'
const FOREGROUND = '#c9d1d9'
/** The SGR codes of demo/paint.ts, with the colours of a dark terminal, with a contrast of 4.5 or more. */
const COLOURS = {
  2: '#8b949e',
  31: '#ff7b72',
  32: '#56d364',
  33: '#e3b341',
  34: '#79c0ff',
  35: '#d2a8ff',
  36: '#39c5cf',
  92: '#7ee787',
  94: '#a5d6ff',
  95: '#e2c5ff',
  96: '#56d4dd',
}

const { values } = parseArgs({
  options: {
    record: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '10' },
  },
})
if (values.record) writeFileSync(RECORDING, record())
const picture = draw(readFileSync(RECORDING, 'utf8'))
if (!values.check) writeFileSync(PICTURE, picture)
else if (readFileSync(PICTURE, 'utf8') !== picture) {
  console.error('docs/pictures/demo.svg is not what demo/recording.txt shows: npm run demo:picture')
  process.exitCode = 1
}

/** The lines of one frame and the closing lines, with the codes of their colours. */
function record() {
  const command = `stty cols ${COLUMNS} rows 40 && exec "${process.execPath}" build/demo/main.js --seed 1 --seconds ${values.seconds}`
  const { status, stdout: output } = spawnSync('script', ['-qec', command, '/dev/null'], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, TERM: 'xterm-256color', FORCE_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 2 ** 28,
  })
  if (status !== 0) throw new Error(`the demo failed: ${output?.slice(-1000)}`)
  const text = output.replaceAll('\r', '').replaceAll('\x1b', ESCAPE).replaceAll(`${ESCAPE}[K`, '')
  // Each frame but the first begins when the cursor goes up. The closing lines follow the last frame.
  const frames = text.split(/␛\[\d+A/).map((frame) => frame.split(`${ESCAPE}[0J`)[0])
  const closing = text.slice(text.lastIndexOf(SHOW_CURSOR) + SHOW_CURSOR.length)
  const frame = frames.slice(1).reduce((best, next) => (merit(next) >= merit(best) ? next : best))
  return `${frame.trimEnd()}\n\n${closing.trim()}\n`
}

/** A score of how many kinds of events a frame shows. */
function merit(frame) {
  const plain = withoutColours(frame)
  const signs = ['killed -9 as the holder', 'stopped', ' ms later', 'waits  6']
  return signs.filter((sign) => plain.includes(sign)).length + (/^holds {5}worker/m.test(plain) ? 2 : 0)
}

function draw(recording) {
  const lines = recording.trimEnd().split('\n')
  const columns = Math.max(COLUMNS, ...lines.map((line) => withoutColours(line).length))
  const width = Math.ceil(columns * CHARACTER) + 2 * MARGIN
  const height = BAR + lines.length * LINE + MARGIN
  const font = 'ui-monospace, SFMono-Regular, Menlo, Consolas, Liberation Mono, monospace'
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${ALT}</title>`,
    `<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8" fill="${BACKGROUND}" stroke="${BORDER}"/>`,
    ...['#ff5f57', '#febc2e', '#28c840'].map(
      (fill, index) => `<circle cx="${MARGIN + 4 + index * 18}" cy="18" r="5" fill="${fill}"/>`,
    ),
    `<g font-family="${font}" font-size="14" fill="${FOREGROUND}" xml:space="preserve">`,
    ...lines.flatMap((line, index) => spansOf(line).map((span) => drawSpan(span, BAR + index * LINE + 14))),
    '</g>',
    '</svg>',
    '',
  ].join('\n')
}

/** [{ column, text, codes }]: pieces of one colour, without spaces at their ends. */
function spansOf(line) {
  const spans = []
  let column = 0
  let codes = []
  for (const [, sgr, text] of line.matchAll(/␛\[([\d;]*)m|([^␛]+)/g)) {
    if (sgr !== undefined) codes = sgr.split(';').filter((code) => code !== '0' && code !== '')
    // Each word group has its own position, so that the font's spaces don't matter.
    for (const { 0: words, index } of (text ?? '').matchAll(/\S+(?: \S+)*/g))
      spans.push({ column: column + index, text: words, codes })
    column += text?.length ?? 0
  }
  return spans
}

function drawSpan({ column, text, codes }, y) {
  const round = (value) => Number(value.toFixed(1))
  const colour = codes.map((code) => COLOURS[code]).find((found) => found !== undefined)
  const attributes = [
    `x="${round(MARGIN + column * CHARACTER)}"`,
    `y="${y}"`,
    // Keeps columns aligned in a font of another width.
    `textLength="${round(text.length * CHARACTER)}"`,
    'lengthAdjust="spacingAndGlyphs"',
    ...(colour === undefined ? [] : [`fill="${colour}"`]),
    ...(codes.includes('1') ? ['font-weight="bold"'] : []),
  ]
  return `<text ${attributes.join(' ')}>${escape(text)}</text>`
}

function withoutColours(text) {
  return text.replaceAll(/␛\[[\d;]*m/g, '')
}

function escape(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
