// The numbers to reach. With `over`, what slocket's are to that contestant's, repetition by repetition; else slocket's own.
const FLOCK = 'fs-native-extensions'
const PROCESSES = ['2', '8', '32']

export const TARGETS = [
  ...['disk', 'tmpfs'].flatMap((point) => [
    { case: 'hot', point, metric: 'time', over: 'slocket-1', most: 0.3 },
    { case: 'hot', point, metric: 'time', over: FLOCK, most: 0.2 },
    { case: 'hot', point, metric: 'time', over: 'proper-lockfile', most: 0.03 },
  ]),
  { case: 'hot', point: 'disk', metric: 'directoryCalls', most: 3 },
  ...PROCESSES.flatMap((point) => [
    { case: 'hand-off', point, metric: 'rate', over: FLOCK, least: 1 },
    { case: 'hand-off', point, metric: 'jain', least: 0.99 },
    { case: 'hand-off', point, metric: 'p99', over: FLOCK, most: 1 },
  ]),
  { case: 'hand-off', point: '8 empty', metric: 'rate', over: 'ring', least: 0.5 },
  { case: 'crowd', point: '100000', metric: 'rate', over: 'async-mutex', least: 1 / 3 },
  { case: 'crowd', point: '100000', metric: 'bytes', most: 1024 },
  { case: 'takeover', point: 'all', metric: 'p50', most: 3 },
  { case: 'takeover', point: 'all', metric: 'p99', most: 10 },
  { case: 'idle', point: 'all', metric: 'max', most: 0.1 },
  { case: 'weight', point: 'all', metric: 'import', most: 10 },
  { case: 'weight', point: 'all', metric: 'require', most: 10 },
  { case: 'weight', point: 'all', metric: 'packed', most: 60 },
  ...['in turn', 'at once'].flatMap((point) => [
    { case: 'many names', point, metric: 'descriptors', most: 0 },
    { case: 'many names', point, metric: 'left', most: 0 },
    // What the garbage collector happens to leave is some tens of KiB, more or less.
    { case: 'many names', point, metric: 'heap', most: 100 },
  ]),
]
