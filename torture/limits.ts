/** What this machine can do: file systems to fill, namespaces, and so on. */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { NEMESES } from './nemesis/index.ts'
import type { Habitat, Place, RoundLimits } from './plan.ts'

type Needed = readonly [command: string, ...parameters: string[]]

const MOUNTING: Needed = ['unshare', '-m', 'mount', '-t', 'tmpfs', 'none', '/mnt']
const CONTAINER: Needed = ['unshare', '-p', '-f', '-n', '-m', '--mount-proc', '--kill-child', 'true']
const CLOCK: Needed = ['unshare', '-T', '-f', '--kill-child', '--monotonic', '100', 'true']

interface Asked extends Pick<RoundLimits, 'seconds' | 'processes'> {
  /** Includes nemeses that affect the whole machine. */
  readonly dangerous: boolean
}

/** Returns the limits, and a line for each thing that this machine can't do. */
export function limitsOfThisMachine({ seconds, processes, dangerous }: Asked): {
  readonly limits: RoundLimits
  readonly missing: readonly string[]
} {
  const missing: string[] = []
  const places: Place[] = ['disk', 'deep']
  const habitats: Habitat[] = ['threads', 'cluster']
  const have = (what: string, needed: Needed): boolean => {
    const [command, ...parameters] = needed
    const { error, status, stderr } = spawnSync(command, parameters, { encoding: 'utf8' })
    if (status !== 0) missing.push(`not available: ${what} (${(error?.message ?? stderr).trim()})`)
    return status === 0
  }
  if (fs.existsSync('/dev/shm')) places.push('memory')
  if (process.getuid?.() === 0 && have('a full disk', MOUNTING)) places.push('small')
  if (have('containers', CONTAINER)) habitats.push('container')
  if (have('clocks of their own', CLOCK)) habitats.push('clock')
  const nemeses = Object.fromEntries(
    Object.entries(NEMESES)
      .filter(([, { isDangerous }]) => dangerous || isDangerous !== true)
      .map(([name, { everyMs }]) => [name, everyMs]),
  )
  return { limits: { seconds, processes, places, habitats, nemeses }, missing }
}
