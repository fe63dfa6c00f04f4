// The names of contestants and points, as readers see them.
import {
  BARE_NODE,
  BARE_QUEUE,
  BARE_SLICE,
  CONNECTION,
  DROP_IN,
  FLOCK,
  NOTHING,
  RING,
  SLICE,
  SPAWNING_NODE,
  SYSTEM_CALLS,
} from './contestants/index.js'

const FLOORS = new Set([BARE_NODE, BARE_QUEUE, BARE_SLICE, CONNECTION, NOTHING, RING, SPAWNING_NODE, SYSTEM_CALLS])
const TITLES = new Map([
  [SLICE, 'slocket, slice 1'],
  [DROP_IN, 'slocket/proper-lockfile'],
  [FLOCK, 'flock(1)'],
  ['slocket-1', 'slocket 1.0.5'],
  [SYSTEM_CALLS, 'system calls'],
  [BARE_NODE, 'bare Node'],
  [BARE_QUEUE, 'bare queue'],
  [BARE_SLICE, 'bare queue, slice 1'],
  [SPAWNING_NODE, 'Node that spawns'],
])

export function isFloor(contestant) {
  return FLOORS.has(contestant)
}

export function titleOf(contestant) {
  const title = TITLES.get(contestant) ?? contestant
  return isFloor(contestant) ? `${title} (floor)` : title
}

/** Empty if a case has only one point. */
export function pointTitle({ pointTitle: ofCase }, point, { fileSystems }) {
  if (point === 'all') return ''
  if (point === 'disk') return fileSystems.disk.type
  return ofCase?.(point) ?? point
}

/** Three significant digits, with commas between thousands. */
export function number(value) {
  if (value === 0) return '0'
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))
  const fixed = Math.abs(value) >= 1000 ? String(Math.round(value)) : value.toFixed(Math.min(digits, 4))
  const [whole, fraction = ''] = fixed.split('.')
  const rest = fraction.replace(/0+$/, '')
  return whole.replaceAll(/\B(?=(\d{3})+$)/g, ',') + (rest === '' ? '' : `.${rest}`)
}
