/**
 * Loads Node's own modules that take milliseconds to load when the first lock is asked for, not when slocket is imported.
 * (If something has loaded them before, it costs nothing.)
 */
import type childProcess from 'node:child_process'
import type crypto from 'node:crypto'
import type net from 'node:net'

export function builtInNet(): typeof net {
  return process.getBuiltinModule('node:net')
}

export function builtInCrypto(): typeof crypto {
  return process.getBuiltinModule('node:crypto')
}

export function builtInChildProcess(): typeof childProcess {
  return process.getBuiltinModule('node:child_process')
}
