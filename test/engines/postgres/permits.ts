// What the tests of permits on PostgreSQL share: engines of one namespace, and what the server shows of a lock.
import { randomBytes } from 'node:crypto'
import { postgres } from '../../../src/engines/postgres/index.ts'
import { keyOf, permitKeyOf, whereKey } from '../../../src/engines/postgres/key.ts'
import { PermitKeys } from '../../../src/engines/postgres/permit-keys.ts'
import type { Engine } from '../../../src/index.ts'
import { isSlocketError, slocket } from '../../../src/index.ts'
import { until } from '../../helpers/until.ts'
import { addressOf } from '../helpers/servers.ts'
import { administer } from './admin.ts'
import { Child } from './child.ts'

/** Not shorter: on a busy machine a server may take some time to answer. */
export const HEARTBEAT_MS = 1000
export const namespace: string = `permits-${randomBytes(8).toString('hex')}`
export const url: string = addressOf('postgres')
let names = 0

export function open(heartbeat: number = HEARTBEAT_MS, connectionString: string = url): Engine {
  return postgres({ connectionString, namespace, heartbeat })
}

/** A process that asks for permits. */
export function child(name: string, permits: number, take = 1): Child {
  return new Child(url, namespace, name, HEARTBEAT_MS, '', JSON.stringify({ permits, take }))
}

export function fresh(): string {
  return `permits-${(names += 1)}-${randomBytes(4).toString('hex')}`
}

export function isUnreachable(error: unknown): boolean {
  return isSlocketError(error, 'ERR_SLOCKET_UNREACHABLE')
}

export async function untilPending(name: string, engine: Engine, ...labels: readonly string[]): Promise<void> {
  await until(`${labels.join(', ')} wait`, async () => {
    const { pending } = await slocket.query(name, { engine })
    return pending.map(({ label }) => label).join() === labels.join()
  })
}

/** Until a request waits for room, and so many for the gate. */
export async function untilAtGate(name: string, behind: number): Promise<void> {
  const { gate, waiting } = new PermitKeys(permitKeyOf(namespace, name))
  await until(`one waits for room, ${behind} behind it`, async () => {
    const atGate = await administer(url, `SELECT FROM pg_locks WHERE granted AND ${whereKey(waiting)}`)
    const others = await administer(url, `SELECT FROM pg_locks WHERE NOT granted AND ${whereKey(gate)}`)
    return atGate.length === 1 && others.length === behind
  })
}

export async function assertFree(name: string, engine: Engine): Promise<void> {
  await until('nobody is there', async () => {
    const { held, pending } = await slocket.query(name, { engine })
    return held.length + pending.length === 0
  })
  await (await slocket.try(name, { engine }))!.release()
  const { gate, waiting, present } = new PermitKeys(permitKeyOf(namespace, name))
  const where = [gate, waiting, present, keyOf(namespace, name)].map((key) => `(${whereKey(key)})`).join(' OR ')
  await until('no key is held', async () => {
    const rows = await administer(url, `SELECT FROM pg_locks WHERE ${where}`)
    return rows.length === 0
  })
}
