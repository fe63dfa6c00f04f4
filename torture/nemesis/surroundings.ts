/** Faults of what all clients share: the disk, descriptors, the directory of a lock, the clock; and strangers that connect. */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../../src/testing/random.ts'
import type { Nemesis } from './nemesis.ts'
import { anyRunning } from './nemesis.ts'

const DAY_MS = 86_400_000

export const fullDisk: Nemesis = {
  everyMs: 700,
  async strike(arena, random) {
    if (arena.small === undefined) return
    const fillers = fill(arena.small)
    arena.count('full disks')
    // Frees some room, which the first process that needs it uses up.
    if (random.chance(0.5)) for (const filler of fillers.splice(0, random.below(6))) fs.rmSync(filler)
    await sleep(random.below(300))
    for (const filler of fillers) fs.rmSync(filler)
  },
}

export const descriptors: Nemesis = {
  everyMs: 800,
  strike(arena, random) {
    anyRunning(arena, random)?.order({ do: 'exhaust', spare: random.below(5), ms: random.below(300) })
    arena.count('without descriptors')
  },
}

export const removeDirectory: Nemesis = {
  everyMs: 1500,
  strike(arena, random) {
    const fragile = arena.locks.filter(({ isFragile }) => isFragile)
    if (fragile.length === 0) return
    const lock = random.pick(fragile)
    arena.trace.write({ kind: 'remove', lock: lock.id })
    removeTree(lock.path)
    arena.trace.write({ kind: 'removed', lock: lock.id })
    arena.count('directories removed')
  },
}

export const shiftClock: Nemesis = {
  everyMs: 1000,
  strike(arena, random) {
    const ms = Math.round((random.fraction() - 0.5) * random.pick([1000, DAY_MS, 1000 * DAY_MS]))
    anyRunning(arena, random)?.order({ do: 'shift clock', ms })
    arena.count('clock jumps')
  },
}

/** Sets the clock of the machine for a while. Only with --dangerous, since everything on the machine uses that clock. */
export const setClock: Nemesis = {
  isDangerous: true,
  everyMs: 2000,
  async strike(arena, random) {
    const before = { wallMs: Date.now(), ns: process.hrtime.bigint() }
    setWallClock(before.wallMs + Math.round((random.fraction() - 0.5) * random.pick([10_000, DAY_MS])))
    arena.count('settings of the clock')
    await sleep(random.below(1000))
    setWallClock(before.wallMs + Number((process.hrtime.bigint() - before.ns) / 1_000_000n))
  },
}

/** Connects to a socket of a lock, sends something or nothing, and disconnects. */
export const stranger: Nemesis = {
  everyMs: 150,
  async strike(arena, random) {
    const socket = anySocket(random.pick(arena.locks).path, random)
    if (socket === undefined || Buffer.byteLength(socket) > 107) return
    const connection = net.connect({ path: socket })
    connection.on('error', () => {})
    connection.resume()
    arena.count('strangers')
    connection.write(random.pick(SAYINGS)(random))
    await sleep(random.below(100))
    connection.destroy()
  },
}

const SAYINGS: readonly ((random: Random) => string)[] = [
  () => '',
  () => 'who\n',
  () => 'GET / HTTP/1.1\r\n\r\n',
  (random) => `slocket/2 ${String(random.below(1e9)).padStart(12, 'a')}\n`,
  (random) => `slocket/2 ${String(random.below(1e9)).padStart(12, 'a')}\nwho\nwho\n`,
  () => 'x'.repeat(1000),
]

function anySocket(lock: string, random: Random): string | undefined {
  try {
    const names = fs.readdirSync(lock).filter((name) => name !== '.members')
    return names.length === 0 ? undefined : path.join(lock, random.pick(names))
  } catch {
    // Nobody uses the lock now.
    return undefined
  }
}

function setWallClock(ms: number): void {
  execFileSync('date', ['-s', `@${ms / 1000}`])
}

/** Creates files until there is no room, and returns them. */
function fill(directory: string): string[] {
  const files: string[] = []
  // Bounded by the inodes of the file system, which are few.
  for (;;) {
    const file = path.join(directory, `filler ${files.length}`)
    try {
      fs.closeSync(fs.openSync(file, 'wx'))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return files
      throw error
    }
    files.push(file)
  }
}

/** Like `rm -rf`, but goes on if something new appears. */
function removeTree(directory: string): void {
  try {
    fs.rmSync(directory, { recursive: true, force: true, maxRetries: 10 })
  } catch (error) {
    // A client created something in it meanwhile. The old contents are gone.
    if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error
  }
}
