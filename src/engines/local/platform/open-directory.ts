/**
 * A directory that stays the same after it was opened, whatever is put in its place meanwhile. So nothing is
 * made behind a link. Without /proc, it is only a path, and another process that is quick enough can put a link in its place.
 */
import fs from 'node:fs'
import { hasDescriptorPaths } from './proc.ts'

export interface OpenDirectory {
  /** Leads to the directory until it is closed. */
  readonly path: string
  /** Open until it is closed. */
  readonly descriptor: number
  /** Whether `path` leads to this directory, whatever is put in its place. */
  readonly isPinned: boolean
  /** May be called twice. */
  close(): void
}

/** Throws the system's error: ENOTDIR if `path` is a symbolic link or anything else that isn't a directory. */
export function openDirectory(path: string): OpenDirectory {
  const descriptor = openDescriptor(path)
  let isOpen = true
  const close = (): void => {
    if (!isOpen) return
    isOpen = false
    fs.closeSync(descriptor)
  }
  if (!hasDescriptorPaths()) return { path, descriptor, isPinned: false, close }
  return { path: `/proc/self/fd/${descriptor}`, descriptor, isPinned: true, close }
}

/** As chmod, but doesn't follow links. */
export function chmodDirectory(path: string, mode: number): void {
  const descriptor = openDescriptor(path)
  try {
    fs.fchmodSync(descriptor, mode)
  } finally {
    fs.closeSync(descriptor)
  }
}

function openDescriptor(path: string): number {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = fs.constants
  return fs.openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
}
