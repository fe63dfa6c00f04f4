// The machine that runs the bench.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import os from 'node:os'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

export function describeMachine() {
  const cpus = os.cpus()
  return {
    cpu: cpus[0]?.model ?? 'unknown',
    cores: os.availableParallelism(),
    arch: os.arch(),
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    kernel: `${os.type()} ${os.release()}`,
    node: process.version,
    descriptors: descriptorLimit(),
  }
}

/** The limit of open files per process. Node raises its own limit to the hard limit. */
function descriptorLimit() {
  return Number(/^Max open files +\S+ +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1])
}

/** The commit, with a mark if files have been changed since. */
export function describeCommit() {
  try {
    const git = (...parameters) =>
      execFileSync('git', parameters, { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' }).trim()
    const isChanged = git('status', '--porcelain', '--untracked-files=no') !== ''
    return git('rev-parse', '--short=10', 'HEAD') + (isChanged ? '-changed' : '')
  } catch {
    return 'unknown'
  }
}

/** A directory on a disk and one in memory, with the type of the file system of each. */
export function findFileSystems(chosen) {
  const disks = [os.tmpdir(), '/var/tmp', os.homedir()].filter((path) => existsSync(path))
  const disk = chosen ?? disks.find((path) => typeOf(path) !== 'tmpfs') ?? disks[0]
  const tmpfs = existsSync('/dev/shm') ? '/dev/shm' : undefined
  return {
    disk: { path: disk, type: typeOf(disk) },
    ...(tmpfs === undefined ? {} : { tmpfs: { path: tmpfs, type: typeOf(tmpfs) } }),
  }
}

/** The type of the mount that contains the path. */
function typeOf(path) {
  let found = { target: '', type: 'unknown' }
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n')) {
    const [place, source] = line.split(' - ')
    const target = place.split(' ')[4]
    const isBelow = path === target || path.startsWith(target.endsWith('/') ? target : `${target}/`)
    if (isBelow && target.length >= found.target.length) found = { target, type: source.split(' ')[0] }
  }
  return found.type
}
