/** Describes what is at the path of a lock, by its kind. For the contents of a directory: other-content.ts. */
import type fs from 'node:fs'
import type { Obstacle, ObstacleKind } from '../../../requests/obstacle.ts'

const DESCRIPTIONS: Readonly<Record<Exclude<ObstacleKind, 'directory'>, string>> = {
  file: 'is a file: it counts as the lock of another program until it is gone (remove it, or use another name)',
  socket: 'is a socket of another program: it counts as the lock of that program until it is gone',
  'dead-socket': 'is a socket that nobody listens on (left by slocket 1, perhaps): remove it',
  'mkdir-lock': 'is an empty directory: it counts as the lock of another program until it is gone, or stale',
  link: 'is a symbolic link, not a lock; name its target',
  fifo: 'is a named pipe, not a lock; use another name',
  device: 'is a device, not a lock; use another name',
}

/** The obstacle that `stats`, which aren't a directory's, describe. A dead socket is a `socket`: see `findObstacle` in foreign.ts. */
export function obstacleBy(stats: fs.Stats, path: string): Obstacle {
  return describeObstacle(kindBy(stats), path)
}

export function describeObstacle(kind: keyof typeof DESCRIPTIONS, path: string): Obstacle {
  return { kind, message: `'${path}' ${DESCRIPTIONS[kind]}` }
}

function kindBy(stats: fs.Stats): keyof typeof DESCRIPTIONS {
  if (stats.isSymbolicLink()) return 'link'
  if (stats.isSocket()) return 'socket'
  if (stats.isFIFO()) return 'fifo'
  return stats.isCharacterDevice() || stats.isBlockDevice() ? 'device' : 'file'
}
