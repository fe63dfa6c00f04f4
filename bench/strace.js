// System calls of one cycle: strace counts those of N and of 2N cycles, and the difference is what N cycles make.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { prepare } from './contestants/index.js'
import { run, scriptPath } from './processes.js'
import { sum } from './statistics.js'

/** What looks up a name in the directory, or changes it. `close`, `fstat` and `getdents64` use an open descriptor. */
const OF_DIRECTORY = [
  'link linkat unlink unlinkat rename renameat renameat2 mkdir mkdirat rmdir readlink readlinkat bind connect',
  'open openat creat stat lstat newfstatat statx access faccessat faccessat2 chmod fchmodat utime utimes utimensat',
].flatMap((names) => names.split(' '))
const LIMIT_MS = 60_000

/** Nothing where there is no strace, or it may not trace. `byName` is kept in the results for those who look closer. */
export async function countCalls(contestant, directory, cycles) {
  const [once, twice] = await Promise.all([cycles, 2 * cycles].map((count) => trace(contestant, directory, count)))
  if (once === undefined || twice === undefined) return {}
  const byName = {}
  for (const [name, calls] of [...twice].sort(([, first], [, second]) => second - first)) {
    const each = (calls - (once.get(name) ?? 0)) / cycles
    if (Math.abs(each) >= 0.05) byName[name] = Math.round(each * 100) / 100
  }
  // A directory is opened, asked what it is, read until nothing more comes, and closed.
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
