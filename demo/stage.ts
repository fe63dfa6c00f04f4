/** Where the demo takes place: a temporary directory with the lock and the books in it. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

export function makeStage(): string {
  return fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-demo-'))
}

export function lockPath(directory: string): string {
  return path.join(directory, 'lock')
}

export function removeStage(directory: string): void {
  fs.rmSync(directory, { recursive: true, force: true })
}
