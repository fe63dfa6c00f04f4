/** The reason why something can't be tested here; false if it can. */
import { execFileSync, spawnSync } from 'node:child_process'

export function reasonWithout(command: string, ...parameters: readonly string[]): string | false {
  const { error, status, stderr } = spawnSync(command, parameters, { encoding: 'utf8' })
  if (error !== undefined) return `${command}: ${error.message}`
  return status === 0 ? false : `${command} is not permitted here: ${stderr.trim().split('\n').at(-1)}`
}

export function reasonNotRoot(): string | false {
  return process.getuid?.() === 0 ? false : 'needs root'
}

/** Runs a system command, which must succeed. */
export function runSystem(command: string, ...parameters: readonly string[]): void {
  execFileSync(command, parameters)
}
