// System calls per cycle: strace counts those of N and of 2N cycles; the difference is the calls of N cycles.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { prepare } from './contestants/index.js'
import { run, scriptPath } from './processes.js'
import { sum } from './statistics.js'

/** Calls that look up or change names in the directory. `close`, `fstat` and `getdents64` use an open descriptor. */
const OF_DIRECTORY = [
  'link linkat unlink unlinkat rename renameat renameat2 mkdir mkdirat rmdir readlink readlinkat bind connect',
  'open openat creat stat lstat newfstatat statx access faccessat faccessat2 chmod fchmodat utime utimes utimensat',
].flatMap((names) => names.split(' '))
const LIMIT_MS = 60_000

/** Undefined if there is no strace, or if it may not trace. `byName` is kept in the results for a closer look. */
export async function countCalls(contestant, directory, cycles) {
  const [once, twice] = await Promise.all([cycles, 2 * cycles].map((count) => trace(contestant, directory, count)))
  if (once === undefined || twice === undefined) return {}
  const byName = {}
  for (const [name, calls] of [...twice].sort(([, first], [, second]) => second - first)) {
    const each = (calls - (once.get(name) ?? 0)) / cycles
    if (Math.abs(each) >= 0.05) byName[name] = Math.round(each * 100) / 100
  }
  // A directory is opened, examined, read to its end, and closed.
  const listings = (byName.getdents64 ?? 0) / 2
  const ofDirectory = sum(OF_DIRECTORY.map((name) => byName[name] ?? 0))
  const asked = (byName.newfstatat ?? 0) >= listings ? 1 : 0
  return {
    calls: sum(Object.values(byName)),
    directoryCalls: ofDirectory - listings * (1 + asked),
    listings,
    byName,
  }
}

async function trace(contestant, directory, cycles) {
  const path = join(directory, `traced-${cycles}`)
  const output = `${path}-counts`
  prepare(contestant, path)
  try {
    const node = [process.execPath, scriptPath('hot.js'), JSON.stringify({ contestant, path, cycles })]
    await run('strace', ['-f', '-qq', '-c', '-U', 'calls,name', '-o', output, ...node], { timeout: LIMIT_MS })
    return parse(readFileSync(output, 'utf8'))
  } catch {
    return undefined
  }
}

function parse(text) {
  const rows = [...text.matchAll(/^\s*(\d+)\s+(\w+)$/gm)].map(([, calls, name]) => [name, Number(calls)])
  return new Map(rows.filter(([name]) => name !== 'total'))
}
