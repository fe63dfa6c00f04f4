// Bars on a log scale, as SVG. Pure, and the same bytes for the same numbers. Middle tones on nothing, which can be read on
// a light page and on a dark one.

const WIDTH = 820
const LABEL = 190
const RIGHT = 110
const BAR = 18
const GAP = 6
const GROUP = 34
const TOP = 44
const BOTTOM = 34
const TEXT = '#768390'
const OURS = '#2f81f7'
const OTHERS = '#8b949e'
const FONT = 'system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif'

/**
 * @param groups [{ title, bars: [{ label, value, min, max, text, isOurs, isFloor }] }]; a bar without value shows its text alone.
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
  const height = y + BOTTOM
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" font-family='${FONT}' font-size="13">`,
    `<title>${escape(title)}</title>`,
    text(0, 20, title, 'font-size="16" font-weight="600"'),
    ...scale.ticks.flatMap((tick) => drawTick(tick, scale, y)),
    ...parts,
    '</svg>',
    '',
  ].join('\n')
}

/** From the power of ten below the least to the one above the greatest. */
function logScale(values) {
  const from = values.length === 0 ? 0 : Math.floor(Math.log10(Math.min(...values)))
  const to = values.length === 0 ? 1 : Math.max(from + 1, Math.ceil(Math.log10(Math.max(...values))))
  const place = (value) => {
    const part = (Math.log10(Math.max(value, 10 ** from)) - from) / (to - from)
    return LABEL + Math.min(1, Math.max(0, part)) * (WIDTH - LABEL - RIGHT)
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
