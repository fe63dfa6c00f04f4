/** Lock paths of a given length. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import type { Scene } from './scenario.ts'

/** The limit of a name on the file systems that matter. */
export const MOST_BYTES_IN_NAME = 255

/** A path of exactly this many bytes. Its parent directory exists. */
export function pathOfLength(scene: Scene, length: number): string {
  let parent = scene.directory
  while (length - parent.length - 1 > MOST_BYTES_IN_NAME)
    parent = join(parent, 'd'.repeat(Math.min(200, length - parent.length - 60)))
  fs.mkdirSync(parent, { recursive: true })
  const path = join(parent, 'p'.repeat(Math.max(1, length - parent.length - 1)))
  assert.equal(Buffer.byteLength(path), length)
  return path
}
