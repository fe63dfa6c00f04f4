// Bars on a log scale, and lines on two log scales, as SVG. Pure: the same numbers give the same bytes. Middle tones on a transparent background are
// readable on light and dark pages.

const WIDTH = 820
const LABEL = 190
const RIGHT = 110
const BAR = 18
const GAP = 6
const GROUP = 34
const TOP = 44
const BOTTOM = 34
/** The area of the lines; labels are to the right of it. */
const LINES_HEIGHT = 240
const LINES_LEFT = 60
const LINES_RIGHT = WIDTH - 170
const TEXT = '#768390'
const OURS = '#2f81f7'
const OTHERS = '#8b949e'
const FONT = 'system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif'

/**
 * @param groups [{ title, bars: [{ label, value, min, max, text, isOurs, isFloor }] }]; a bar without a value shows only its text.
 */
export function plot({ title, groups }) {
  const bars = groups.flatMap((group) => group.bars)
  const scale = logScale(bars.flatMap(({ value, min, max }) => [value, min, max]).filter((value) => value > 0))
  const parts = []
  let y = TOP
  for (const group of groups) {
    if (group.title !== '') parts.push(text(0, y + 18, group.title, 'font-weight="600"'))
    y += group.title === '' ? 0 : GROUP - 8
    for (const bar of group.bars) {
      parts.push(...drawBar(bar, y, scale))
      y += BAR + GAP
    }
    y += 8
  }
  return svg(title, y + BOTTOM, [...scale.ticks.flatMap((tick) => drawTick(tick, scale, y)), ...parts])
}

/**
 * @param axis what the numbers below the plot count.
 * @param lines [{ label, isOurs, places: [{ x, y, text }] }], with the places from left to right.
 */
export function plotLines({ title, axis, lines }) {
  const places = lines.flatMap((line) => line.places)
  const positive = (values) => values.filter((value) => value > 0)
  const across = logScale(positive(places.map(({ x }) => x)), [LINES_LEFT, LINES_RIGHT])
  const up = logScale(positive(places.map(({ y }) => y)), [TOP + LINES_HEIGHT, TOP])
  const bottom = TOP + LINES_HEIGHT
  return svg(title, bottom + BOTTOM + GROUP, [
    ...across.ticks.flatMap((tick) => drawTick(tick, across, bottom)),
    ...up.ticks.flatMap((tick) => drawLevel(tick, up)),
    ...lines.flatMap((line) => drawLine(line, across, up)),
    text((LINES_LEFT + LINES_RIGHT) / 2, bottom + BOTTOM + 8, axis, 'text-anchor="middle" font-size="12"'),
  ])
}

function svg(title, height, parts) {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" font-family='${FONT}' font-size="13">`,
    `<title>${escape(title)}</title>`,
    text(0, 20, title, 'font-size="16" font-weight="600"'),
    ...parts,
    '</svg>',
    '',
  ].join('\n')
}

/** A scale from the power of ten below the least value to the one above the greatest, between two edges: by default left and right. */
function logScale(values, [first, last] = [LABEL, WIDTH - RIGHT]) {
  const from = values.length === 0 ? 0 : Math.floor(Math.log10(Math.min(...values)))
  const to = values.length === 0 ? 1 : Math.max(from + 1, Math.ceil(Math.log10(Math.max(...values))))
  const place = (value) => {
    const part = (Math.log10(Math.max(value, 10 ** from)) - from) / (to - from)
    return first + Math.min(1, Math.max(0, part)) * (last - first)
  }
  return { place, ticks: Array.from({ length: to - from + 1 }, (_, index) => from + index) }
}

function drawTick(tick, scale, bottom) {
  const x = round(scale.place(10 ** tick))
  return [
    `<line x1="${x}" y1="${TOP - 8}" x2="${x}" y2="${bottom}" stroke="${TEXT}" stroke-opacity="0.35"/>`,
    text(x, bottom + 18, tickLabel(tick), 'text-anchor="middle" font-size="12"'),
  ]
}

function drawLevel(tick, scale) {
  const y = round(scale.place(10 ** tick))
  return [
    `<line x1="${LINES_LEFT}" y1="${y}" x2="${LINES_RIGHT}" y2="${y}" stroke="${TEXT}" stroke-opacity="0.35"/>`,
    text(LINES_LEFT - 8, y + 4.5, tickLabel(tick), 'text-anchor="end" font-size="12"'),
  ]
}

/** Writes the number at each place, and the label behind the last one. */
function drawLine({ label, isOurs, places }, across, up) {
  const color = isOurs ? OURS : OTHERS
  const weight = isOurs ? 'font-weight="600"' : ''
  const points = places.map(({ x, y, text: shown }) => ({ x: round(across.place(x)), y: round(up.place(y)), shown }))
  const last = points.at(-1)
  return [
    `<polyline points="${points.map(({ x, y }) => `${x},${y}`).join(' ')}" fill="none" stroke="${color}" stroke-width="2"/>`,
    ...points.flatMap(({ x, y, shown }) => [
      `<circle cx="${x}" cy="${y}" r="3.5" fill="${color}"/>`,
      text(x, y - 9, shown, `text-anchor="middle"${weight === '' ? '' : ` ${weight}`}`),
    ]),
    ...(last === undefined ? [] : [text(last.x + 8, last.y + 4.5, label, weight)]),
  ]
}

function tickLabel(tick) {
  if (tick < 0) return (10 ** tick).toFixed(-tick)
  return String(10 ** tick).replaceAll(/\B(?=(\d{3})+$)/g, ',')
}

function drawBar({ label, value, min, max, text: shown, isOurs, isFloor }, y, scale) {
  const middle = y + BAR / 2
  const baseline = middle + 4.5
  const name = text(LABEL - 8, baseline, label, `text-anchor="end"${isOurs ? ' font-weight="600"' : ''}`)
  if (value === undefined) return [name, text(LABEL + 6, baseline, shown, 'font-style="italic"')]
  const end = round(scale.place(value))
  const parts = [
    name,
    `<rect x="${LABEL}" y="${y}" width="${round(Math.max(1, end - LABEL))}" height="${BAR}" rx="2" fill="${isOurs ? OURS : OTHERS}"${isFloor ? ' fill-opacity="0.4"' : ''}/>`,
  ]
  const [low, high] = [min, max].map((edge) => round(scale.place(edge)))
  if (high > low) {
    parts.push(
      `<path d="M${low} ${middle}H${high}M${low} ${middle - 4}V${middle + 4}M${high} ${middle - 4}V${middle + 4}" stroke="${TEXT}" stroke-width="1.5" fill="none"/>`,
    )
  }
  parts.push(text(Math.max(end, high) + 8, baseline, shown, isOurs ? 'font-weight="600"' : ''))
  return parts
}

function text(x, y, content, attributes = '') {
  return `<text x="${round(x)}" y="${round(y)}" fill="${TEXT}"${attributes === '' ? '' : ` ${attributes}`}>${escape(content)}</text>`
}

function round(value) {
  return Math.round(value * 10) / 10
}

function escape(content) {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
