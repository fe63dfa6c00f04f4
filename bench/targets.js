// The targets: numbers of slocket, or of another contestant `of`. With `over`, the ratio to that contestant's number, repetition by repetition;
// with `overPoint`, the ratio to its own number at that point.
import {
  BARE_NODE,
  DROP_IN,
  FS_NATIVE_EXTENSIONS as NATIVE,
  PROPER_LOCKFILE,
  SLICE,
  SYSTEM_CALLS,
} from './contestants/index.js'

/** By the number of processes. */
const HAND_OFF = [
  { point: '2', rate: 0.9, p99: 1.5 },
  { point: '8', rate: 0.6, p99: 1.5 },
  { point: '32', rate: 0.5, p99: 2 },
]

export const TARGETS = [
  ...HAND_OFF.flatMap(({ point, rate, p99 }) => [
    { case: 'hand-off', point, metric: 'rate', over: NATIVE, least: rate },
    { case: 'hand-off', point, metric: 'p99', over: NATIVE, most: p99 },
    { case: 'hand-off', point, metric: 'jain', least: 0.99 },
  ]),
  { case: 'hand-off', point: '8', metric: 'cpu', most: 600 },
  ...HAND_OFF.flatMap(({ point }) => [
    { case: 'hand-off', point, metric: 'rate', of: SLICE, over: NATIVE, least: 3 },
    { case: 'hand-off', point, metric: 'p99', of: SLICE, over: NATIVE, most: 1.5 },
  ]),
  ...['disk', 'tmpfs'].flatMap((point) => [
    { case: 'hot', point, metric: 'time', over: SYSTEM_CALLS, most: 1.25 },
    { case: 'hot', point, metric: 'time', over: NATIVE, most: 0.3 },
  ]),
  { case: 'hot', point: 'disk', metric: 'directoryCalls', most: 3 },
  { case: 'waiting', point: '1000', metric: 'p50', overPoint: '10', most: 2 },
  { case: 'waiting', point: '1000', metric: 'join', most: 2 },
  { case: 'crowd', point: '100000', metric: 'rate', over: 'async-mutex', least: 1 / 3 },
  { case: 'crowd', point: '100000', metric: 'bytes', most: 1024 },
  // The time per request doesn't grow with the number of requests. If it did, these would be 0.25 and 0.06; the rest is for the garbage collector.
  ...['', ' permits'].flatMap((kind) =>
    ['4000', '16000'].map((count) => ({
      case: 'crowd',
      point: `${count}${kind}`,
      metric: 'rate',
      overPoint: `1000${kind}`,
      least: 0.5,
    })),
  ),
  { case: 'crowd', point: '1000 held', metric: 'listings', most: 1 },
  ...['quick', 'default'].map((point) => ({
    case: 'updates',
    point,
    metric: 'time',
    of: DROP_IN,
    over: PROPER_LOCKFILE,
    most: 0.5,
  })),
  { case: 'takeover', point: 'all', metric: 'p50', most: 3 },
  { case: 'takeover', point: 'all', metric: 'p99', most: 10 },
  { case: 'sync', point: 'free', metric: 'first', most: 10 },
  { case: 'sync', point: 'free', metric: 'first', of: DROP_IN, most: 10 },
  { case: 'sync', point: 'blocked', metric: 'longest', most: 50 },
  { case: 'command', point: 'command', metric: 'time', over: BARE_NODE, most: 1.2 },
  { case: 'command', point: 'script', metric: 'time', over: PROPER_LOCKFILE, most: 1 },
  { case: 'command', point: 'script', metric: 'time', of: DROP_IN, over: PROPER_LOCKFILE, most: 1 },
  { case: 'idle', point: 'all', metric: 'max', most: 0.1 },
  { case: 'weight', point: 'all', metric: 'import', most: 10 },
  { case: 'weight', point: 'all', metric: 'require', most: 10 },
  { case: 'weight', point: 'all', metric: 'packed', most: 60 },
  ...['in turn', 'at once'].flatMap((point) => [
    { case: 'many names', point, metric: 'descriptors', most: 0 },
    { case: 'many names', point, metric: 'left', most: 0 },
    // The garbage collector may leave some tens of KiB more or less.
    { case: 'many names', point, metric: 'heap', most: 100 },
  ]),
]
