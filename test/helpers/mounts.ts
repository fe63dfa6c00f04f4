/** File systems that a test mounts itself. */
import fs from 'node:fs'
import { join } from 'node:path'
import { reasonNotRoot, reasonWithout, runSystem } from './privileges.ts'
import type { Scene } from './scenario.ts'

/** The reason why nothing can be mounted here; false if it can. */
export const skipMounts: string | false =
  reasonNotRoot() === false ? reasonWithout('unshare', '-m', 'mount', '-t', 'tmpfs', 'none', '/mnt') : 'needs root'

export function mountTmpfs(scene: Scene, options: string): string {
  const root = join(scene.directory, 'mounted')
  mount(scene, root, ['-t', 'tmpfs', '-o', options, 'none'])
  return root
}

/** An overlay that is not mounted yet. */
export interface Overlay {
  /** The lower layer. Nobody writes to it while the overlay is mounted. */
  readonly lower: string
  /** Where it is mounted. */
  readonly merged: string
  mount(): void
  /** Unmounts, and mounts the same layers again. */
  remount(): void
}

export function makeOverlay(scene: Scene): Overlay {
  const [lower, upper, work, merged] = ['lower', 'upper', 'work', 'merged'].map((name) => join(scene.directory, name))
  for (const directory of [lower, upper, work]) fs.mkdirSync(directory!)
  const parameters = ['-t', 'overlay', '-o', `lowerdir=${lower},upperdir=${upper},workdir=${work}`, 'none']
  return {
    lower: lower!,
    merged: merged!,
    mount: () => mount(scene, merged!, parameters),
    remount: () => {
      runSystem('umount', merged!)
      runSystem('mount', ...parameters, merged!)
    },
  }
}

export function mountOverlay(scene: Scene): string {
  const overlay = makeOverlay(scene)
  overlay.mount()
  return overlay.merged
}

function mount(scene: Scene, root: string, parameters: readonly string[]): void {
  fs.mkdirSync(root)
  runSystem('mount', ...parameters, root)
  scene.onEnd(() => runSystem('umount', '-l', root))
}
