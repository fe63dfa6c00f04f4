/** What tests ask etcd for, past the engine: by etcdctl. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { pass, until } from '../../helpers/until.ts'
import type { Arena } from './arena.ts'
import type { Servers } from './servers.ts'

/** Of the three. */
export const NODES = ['cluster-1', 'cluster-2', 'cluster-3'] as const

export type NodeName = (typeof NODES)[number]

/** As `until`; a condition that starts processes is not asked for all the time. */
export async function untilSlowly<T>(what: string, condition: () => Promise<T | undefined | false>): Promise<T> {
  return await until(what, async () => {
    const value = await condition()
    if (value === undefined || value === false) await pass(100)
    return value
  })
}

export async function etcdctl(endpoints: string, ...parameters: readonly string[]): Promise<string> {
  const flags = ['--endpoints', endpoints, '--command-timeout=5s', '--dial-timeout=2s']
  const { stdout } = await promisify(execFile)('etcdctl', [...flags, ...parameters], {
    env: { ...process.env, ETCDCTL_API: '3' },
    timeout: 20_000,
  })
  return stdout
}

/** As an operator does it. @param lease in hex. */
export async function revoke(arena: Arena, endpoints: string, lease: string): Promise<void> {
  arena.note({ event: 'revoking', lease })
  await etcdctl(endpoints, 'lease', 'revoke', lease)
  arena.note({ event: 'revoked', lease })
}

/** The leader, when the members that answer agree on it. */
export async function leaderOf(servers: Servers): Promise<NodeName> {
  const endpoints = servers.addressOf('cluster').split(',')
  return await untilSlowly('the cluster has a leader', async () => {
    const statuses = await Promise.all(endpoints.map(statusOf))
    const answered = statuses.filter((status) => status !== undefined)
    const leaders = new Set(answered.map(({ leader }) => leader))
    if (leaders.size !== 1) return undefined
    const index = statuses.findIndex((status) => status?.member === answered[0]!.leader)
    return index === -1 ? undefined : NODES[index]
  })
}

export async function followersOf(servers: Servers): Promise<NodeName[]> {
  const leader = await leaderOf(servers)
  return NODES.filter((node) => node !== leader)
}

/** All keys, in the order of their creation. */
export async function keysOf(endpoints: string): Promise<string[]> {
  return (await etcdctl(endpoints, 'get', '', '--prefix', '--keys-only', '--sort-by=CREATE'))
    .split('\n')
    .filter((line) => line !== '')
}

interface Status {
  readonly member: string
  readonly leader: string
}

async function statusOf(endpoint: string): Promise<Status | undefined> {
  try {
    const answer = await etcdctl(endpoint, 'endpoint', 'status', '-w', 'json')
    const member = /"member_id":(\d+)/.exec(answer)?.[1]
    const leader = /"leader":(\d+)/.exec(answer)?.[1]
    return member === undefined || leader === undefined ? undefined : { member, leader }
  } catch {
    return undefined
  }
}
