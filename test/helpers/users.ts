/** Processes of several users. Needs root. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import type { Client, ClientOptions } from './client.ts'
import type { PlainOptions } from './commands.ts'
import type { Scene } from './scenario.ts'

/** A group that some users may be in, in addition to their own. */
export const TEAM = 65_500
export const ANN = 65_501
export const BEN = 65_502
export const CAT = 65_503

/** Runs the following command as a user with a umask of 077, its own primary group, and further groups. */
export function asUser(user: number, ...groups: readonly number[]): string[] {
  const rest = groups.length === 0 ? ['--clear-groups'] : ['--groups', groups.join()]
  const become = ['setpriv', '--reuid', String(user), '--regid', String(user), ...rest, '--']
  return ['bash', '-c', 'umask 077; exec "$0" "$@"', ...become]
}

/** The same for a client. */
export function as(user: number, ...groups: readonly number[]): ClientOptions {
  return { wrapper: asUser(user, ...groups) }
}

/** A directory in which all users can make locks; `mode`: with the sticky bit as in /tmp, or without. */
export function openTo(scene: Scene, mode: number, gid = 0): string {
  fs.chmodSync(scene.directory, 0o755)
  fs.chmodSync(scene.journal.file, 0o666)
  fs.writeFileSync(scene.counter, '0')
  fs.chmodSync(scene.counter, 0o666)
  const parent = join(scene.directory, 'parent')
  fs.mkdirSync(parent)
  fs.chownSync(parent, 0, gid)
  fs.chmodSync(parent, mode)
  return join(parent, 'lock')
}

/** The first client holds. The waiters get the lock in the order of `clients`, and release it. */
export async function holdInTurn(clients: readonly Client[], path: string, options: PlainOptions): Promise<void> {
  const [holder, ...waiters] = clients
  await holder!.acquire(path, options)
  for (const waiter of waiters) await waiter.enqueue(path, options)
  let before = holder!
  for (const [index, waiter] of waiters.entries()) {
    await before.release()
    await waiter.next('granted')
    for (const later of waiters.slice(index + 1)) assert.equal(later.hasSaid('granted'), false)
    before = waiter
  }
  await before.release()
}

/** The permissions of a file or directory, in octal. */
export function modeOf(path: string): string {
  return (fs.lstatSync(path).mode & 0o7777).toString(8)
}
