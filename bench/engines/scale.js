// Scale: 10,000 locks of 100 clients, and 1,000 requests that wait for one lock; what they cost the clients' process and the server.
//
// On PostgreSQL, each lock that is held or waited for needs a session of the server. So there each client takes one lock after the other, and of
// the waiting requests, only as many as there are connections are in the server's queue; the others wait in the process.
import { readFileSync } from 'node:fs'

const TICKS_PER_S = 100
/** The default of the engines. It decides how often leases are renewed, which is part of the load. */
const TTL_S = 10
const MB = 1024 * 1024
/** The limit of the PostgreSQL engine, on a test server with 300 connections. */
const WAITING_CONNECTIONS = 20

/** The load for each engine. `isHeldTogether`: all locks at the same time; `places`: how many of the requests are in the server's queue. */
export function scaleOf(server, what, { clients, locks, waitingClients, waiting }) {
  const isPostgres = server === 'postgres'
  if (what === 'many') {
    return {
      role: 'many',
      ttl: TTL_S,
      clients,
      locks,
      isHeldTogether: !isPostgres,
      ...(isPostgres ? { maxConnections: 1 } : {}),
    }
  }
  const places = isPostgres ? Math.min(waiting, waitingClients * WAITING_CONNECTIONS) : waiting
  const maxConnections = isPostgres ? { maxConnections: WAITING_CONNECTIONS } : {}
  return {
    role: 'queue',
    ttl: TTL_S,
    clients: waitingClients,
    locks: waiting / waitingClients,
    places,
    ...maxConnections,
  }
}

/** @param pids returns the processes of the server. @returns a row of a table. */
export async function measureScale(client, { role, clients, locks, places, isHeldTogether }, pids, { heldMs }) {
  const [readyAt, before] = [await client.says('ready'), load(pids())]
  client.send('go on')
  const [acquired, then] = [await client.says('acquired'), load(pids())]
  await new Promise((resolve) => setTimeout(resolve, heldMs))
  const later = load(pids())
  client.send('go on')
  const [held, released] = [await client.says('held'), await client.says('released')]
  const after = load(pids())
  const busyMs = (from, to) => to.cpuMs - from.cpuMs
  return {
    requests: clients * locks,
    clients,
    'at a time': role === 'queue' ? places : isHeldTogether ? clients * locks : clients,
    [role === 'queue' ? 'until all wait, s' : 'acquire, s']: (acquired.at - readyAt.at) / 1000,
    [role === 'queue' ? 'until all had it, s' : 'release, s']:
      role === 'queue' || isHeldTogether ? (released.at - held.at) / 1000 : 'included',
    lost: held.lost ?? 0,
    'client CPU, s': (busyMs(readyAt, acquired) + busyMs(held, released)) / 1000,
    'server CPU, s': (busyMs(before, then) + busyMs(later, after)) / 1000,
    'client MB more': (acquired.bytes - readyAt.bytes) / MB,
    'server MB more': (then.bytes - before.bytes) / MB,
    'meanwhile: client CPU, ms a second': busyMs(acquired, held) / ((held.at - acquired.at) / 1000),
    'meanwhile: server CPU, ms a second': busyMs(then, later) / (heldMs / 1000),
  }
}

/** The processor time and memory of all processes of a server, including those that have ended: proc_pid_stat(5). Shared memory counts once. */
function load(pids) {
  let [ticks, bytes] = [0, 0]
  for (const pid of pids) {
    let stat
    try {
      stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
      bytes += Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'))[1]) * 1024
    } catch {
      // The process has ended meanwhile.
      continue
    }
    const [user, system, childrenUser, childrenSystem] = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 15)
      .map(Number)
    ticks += user + system + childrenUser + childrenSystem
  }
  return { cpuMs: (ticks * 1000) / TICKS_PER_S, bytes }
}
