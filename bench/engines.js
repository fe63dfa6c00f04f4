// npm run bench:engines -- [--quick] [--only cycle,hand-off,takeover,hung,connections,scale] [--on etcd,postgres,redis] [--processes 2,8] [--untidy] [--json FILE]
// node bench/engines.js --report FILE   (from results that --json has written: plots, and tables of docs/performance-engines.md)
//
// Compares the engines that use servers with other packages on the same servers, in one run, in turn. It starts the servers on this
// machine, with their data in memory (scripts/engines.sh), and prints tables. Results: docs/performance-engines.md.
//
//   cycle        one process alone: acquire and release, when everything is warm; and the first rounds, when nothing is. etcd is compacted every
//                250 rounds (not with --untidy)
//   hand-off     2 and 8 processes in a loop: from the call of release in one to the grant in another
//   takeover     from the holder's death (kill -9) to the next waiter's grant
//   hung         the server is stopped (SIGSTOP) while a lock is held: how long its holder believes that it holds
//   connections  one process waits for 1,000 locks: how many connections it has
//   scale        10,000 locks of 100 clients, and 1,000 requests that wait for one lock: time, memory, and the load of the server
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { format, resolveConfig } from 'prettier'
import {
  ETCD,
  ETCD_FLOOR,
  ON_ETCD,
  ON_POSTGRES,
  ON_REDIS,
  open,
  POSTGRES_FLOOR,
  REDIS_FLOOR,
} from './engines/contestants/index.js'
import { fillTables, table } from './engine-report.js'
import { Process } from './engines/process.js'
import { measureScale, scaleOf } from './engines/scale.js'
import { install, versions } from './install.js'
import { describeCommit, describeMachine } from './machine.js'
import { drawEnginePlots, PLOTS } from './plots.js'
import { jain, median, quantile } from './statistics.js'

const SCRIPT = fileURLToPath(new URL('../scripts/engines.sh', import.meta.url))
const DOCUMENT = fileURLToPath(new URL('../docs/performance-engines.md', import.meta.url))
const TTL_S = 5
const WAITING = 1000
const TIDY_ROUNDS = 250
const TAKEOVERS_AT_A_TIME = 5

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', default: 'cycle,hand-off,takeover,hung,connections,scale' },
    on: { type: 'string', default: 'etcd,postgres,redis' },
    processes: { type: 'string' },
    untidy: { type: 'boolean', default: false },
    json: { type: 'string' },
    report: { type: 'string' },
  },
})
if (values.report !== undefined) {
  const measured = JSON.parse(readFileSync(values.report, 'utf8'))
  drawEnginePlots(measured, PLOTS)
  const filled = fillTables(readFileSync(DOCUMENT, 'utf8'), measured)
  writeFileSync(DOCUMENT, await format(filled, { ...(await resolveConfig(DOCUMENT)), filepath: DOCUMENT }))
  process.exit(0)
}
const only = values.only.split(',')
const on = values.on.split(',')
const settings = values.quick
  ? {
      cold: 20,
      warmUp: 50,
      rounds: 50,
      handOffMs: 500,
      repeat: 1,
      kills: 1,
      processes: [2],
      watchMs: 2000,
      clients: 10,
      locks: 10,
      waitingClients: 5,
      waiting: 50,
      heldMs: 1000,
    }
  : {
      cold: 100,
      warmUp: 3000,
      rounds: 1500,
      handOffMs: 2000,
      repeat: 2,
      kills: 20,
      processes: [2, 8],
      watchMs: 10_000,
      clients: 100,
      locks: 100,
      waitingClients: 10,
      waiting: 1000,
      heldMs: 10_000,
    }
if (values.processes !== undefined) settings.processes = values.processes.split(',').map(Number)
/** The contestants on each server, and the one that the others are compared with. */
const CONTESTS = {
  etcd: { contestants: ON_ETCD, floor: ETCD_FLOOR, base: ETCD_FLOOR, rival: 'etcd-v3lock' },
  postgres: { contestants: ON_POSTGRES, base: POSTGRES_FLOOR, rival: POSTGRES_FLOOR },
  redis: { contestants: ON_REDIS, floor: REDIS_FLOOR, base: REDIS_FLOOR, rival: 'redlock' },
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1))
install()
const { servers, directory, pids } = startServers()
const results = {
  machine: describeMachine(),
  commit: describeCommit(),
  packages: versions(),
  servers: serverVersions(),
  cases: {},
}
let hasFailed = false
try {
  for (const server of on) {
    if (only.includes('cycle')) await show(`cycle, ${server}`, () => cycle(server))
    for (const processes of only.includes('hand-off') ? settings.processes : []) {
      await show(`hand-off, ${server}, ${processes} processes`, () => handOff(server, processes))
    }
    if (only.includes('takeover')) await show(`takeover, ${server}`, () => takeover(server))
    for (const what of only.includes('scale') ? ['many', 'queue'] : []) {
      await show(`${what}, ${server}`, () => scale(server, what))
    }
    if (only.includes('hung')) await show(`hung, ${server}`, () => hung(server))
  }
  if (only.includes('connections') && on.includes('etcd')) await show('connections', connections)
} finally {
  spawnSync('bash', [SCRIPT, 'down', directory], { stdio: 'inherit' })
}
if (values.json !== undefined) {
  const before = existsSync(values.json) ? JSON.parse(readFileSync(values.json, 'utf8')) : undefined
  // Results of the same commit that this run hasn't measured are kept.
  if (JSON.stringify(before?.commit) === JSON.stringify(results.commit))
    results.cases = { ...before.cases, ...results.cases }
  writeFileSync(values.json, `${JSON.stringify(results, null, 1)}\n`)
}
process.exit(hasFailed ? 1 : 0)

/** etcd keeps deleted keys of a queue, and reads past them, until it is compacted: the more rounds, the slower, for the bare requests, too. */
function tidy(server) {
  if (server !== 'etcd') return
  const ask = (...flags) =>
    execFileSync('etcdctl', ['--endpoints', servers.etcd[0], ...flags], {
      encoding: 'utf8',
      env: { ...process.env, ETCDCTL_API: '3' },
    })
  const [, revision] = /"revision":(\d+)/.exec(ask('endpoint', 'status', '-w', 'json'))
  ask('compact', '--physical', revision)
}

/**
 * The contestants take turns, in another order each round. It measures only after so many rounds that no contestant's code gets faster any more; the first
 * of these rounds are shown, too.
 */
async function cycle(server) {
  const { contestants, floor, base } = CONTESTS[server]
  const all = [...contestants, ...(floor === undefined ? [] : [floor])]
  const handles = await Promise.all(all.map((contestant) => open(contestant, servers, 'cycle', { ttl: TTL_S })))
  const cold = all.map(() => [])
  const warm = all.map(() => [])
  const { cold: first, warmUp } = settings
  for (let round = 0; round < warmUp + settings.rounds; round += 1) {
    if (round % TIDY_ROUNDS === 0 && !values.untidy) tidy(server)
    for (let turn = 0; turn < all.length; turn += 1) {
      const index = (round + turn) % all.length
      const begin = performance.now()
      await handles[index].release(await handles[index].acquire())
      const took = performance.now() - begin
      if (round < first) cold[index].push(took)
      if (round >= warmUp) warm[index].push(took)
    }
  }
  for (const handle of handles) await handle.close()
  const toBase = (times, index, of) => of(times[index]) / of(times[all.indexOf(base)])
  return all.map((contestant, index) => ({
    contestant,
    'p50 ms': quantile(warm[index], 0.5),
    'p95 ms': quantile(warm[index], 0.95),
    [`p50 / ${base}`]: toBase(warm, index, median),
    [`p95 / ${base}`]: toBase(warm, index, (each) => quantile(each, 0.95)),
    [`first ${first}: p50 ms`]: median(cold[index]),
    [`first ${first}: p50 / ${base}`]: toBase(cold, index, median),
  }))
}

async function handOff(server, processes) {
  const { contestants, rival } = CONTESTS[server]
  const measured = contestants.map(() => [])
  for (let repetition = 0; repetition < settings.repeat; repetition += 1) {
    for (let turn = 0; turn < contestants.length; turn += 1) {
      const index = (repetition + turn) % contestants.length
      measured[index].push(await handOffOnce(contestants[index], processes, repetition))
    }
  }
  const rows = contestants.map((contestant, index) => {
    const runs = measured[index]
    const delays = runs.flatMap((run) => run.delays)
    return {
      contestant,
      'p50 ms': quantile(delays, 0.5),
      'p95 ms': quantile(delays, 0.95),
      'hand-offs/s': (1000 * delays.length) / (settings.handOffMs * runs.length),
      'other process next': delays.length / runs.reduce((sum, run) => sum + run.grants, 0),
      "Jain's index": median(runs.map((run) => run.jain)),
      'longest wait ms': Math.max(...runs.map((run) => run.longest)),
      overlaps: runs.reduce((sum, run) => sum + run.overlaps, 0),
    }
  })
  const p95 = rows[contestants.indexOf(rival)]['p95 ms']
  return rows.map((row) => ({ ...row, [`p95 / ${rival}`]: row['p95 ms'] / p95 }))
}

async function handOffOnce(contestant, count, repetition) {
  const name = `hand-off-${count}-${repetition}`
  const clients = Array.from({ length: count }, () => start(contestant, { role: 'loop', name }))
  try {
    await Promise.all(clients.map((client) => client.says('ready')))
    const from = Number(process.hrtime.bigint()) / 1e6 + 100
    for (const client of clients) client.send({ from, until: from + settings.handOffMs })
    const done = await Promise.all(clients.map((client) => client.says('done')))
    const rounds = done.flatMap(({ rounds: own }, who) =>
      own.map(([asked, granted, released]) => ({ who, asked, granted, released })),
    )
    rounds.sort((a, b) => a.granted - b.granted)
    const pairs = rounds.slice(1).map((round, index) => [rounds[index], round])
    return {
      grants: rounds.length,
      delays: pairs.filter(([last, next]) => last.who !== next.who).map(([last, next]) => next.granted - last.released),
      overlaps: pairs.filter(([last, next]) => next.granted < last.released).length,
      longest: Math.max(...rounds.map(({ asked, granted }) => granted - asked)),
      jain: jain(done.map(({ rounds: own }) => own.length)),
    }
  } finally {
    await Promise.all(clients.map((client) => client.end()))
  }
}

/** Only slocket: the others have another TTL, or none. A few at a time, since they mostly wait. */
async function takeover(server) {
  const contestant = CONTESTS[server].contestants[0]
  const samples = []
  while (samples.length < settings.kills) {
    const count = Math.min(TAKEOVERS_AT_A_TIME, settings.kills - samples.length)
    const names = Array.from({ length: count }, (_, index) => `takeover-${samples.length + index}`)
    samples.push(...(await Promise.all(names.map((name) => takeoverOnce(contestant, name)))))
  }
  return [{ contestant, 'p50 ms': quantile(samples, 0.5), 'max ms': Math.max(...samples), kills: samples.length }]
}

async function takeoverOnce(contestant, name) {
  const holder = start(contestant, { role: 'hold', name })
  const waiter = start(contestant, { role: 'hold', name, after: 'held' })
  try {
    await holder.says('held')
    waiter.send('go on')
    await waiter.says('asked')
    // By then the waiter has its place. Leases may have been renewed or not.
    await new Promise((resolve) => setTimeout(resolve, 1000 + Math.random() * TTL_S * 1000))
    const killed = Number(process.hrtime.bigint()) / 1e6
    await holder.end()
    return (await waiter.says('held')).at - killed
  } finally {
    await Promise.all([holder.end(), waiter.end()])
  }
}

async function scale(server, what) {
  const contestant = CONTESTS[server].contestants[0]
  const order = scaleOf(server, what, settings)
  const client = start(contestant, { ...order, name: what })
  try {
    return [{ contestant, ...(await measureScale(client, order, () => pids(server), settings)) }]
  } finally {
    await client.end()
  }
}

/** All at the same time: the server is stopped for all of them. For PostgreSQL, the process that serves the holder is stopped. */
async function hung(server) {
  const { contestants } = CONTESTS[server]
  const clients = contestants.map((contestant) => start(contestant, { role: 'hold', name: 'hung' }))
  try {
    await Promise.all(clients.map((client) => client.says('held')))
    // By then, leases may have been renewed or not.
    await new Promise((resolve) => setTimeout(resolve, 1000))
    const stopped = pids(server)
    const since = Number(process.hrtime.bigint()) / 1e6
    for (const pid of stopped) process.kill(pid, 'SIGSTOP')
    await new Promise((resolve) => setTimeout(resolve, TTL_S * 1000 + settings.watchMs))
    for (const pid of stopped) kill(pid, 'SIGCONT')
    return clients.map((client, index) => {
      const gaveUp = client.said('gave up')
      const seconds = gaveUp === undefined ? undefined : (gaveUp.at - since) / 1000
      return {
        contestant: contestants[index],
        'gave up after s': seconds ?? `not in ${TTL_S + settings.watchMs / 1000}`,
        'of it beyond the TTL':
          server === 'postgres'
            ? 'no TTL'
            : seconds === undefined
              ? `> ${settings.watchMs / 1000}`
              : Math.max(0, seconds - TTL_S),
      }
    })
  } finally {
    await Promise.all(clients.map((client) => client.end()))
  }
}

async function connections() {
  const holder = start(ETCD, { role: 'hold', name: 'crowd' })
  await holder.says('held')
  const waiters = start(ETCD, { role: 'wait', name: 'crowd', count: WAITING })
  try {
    await waiters.says('ready')
    const prefix = `slocket/q/${Buffer.from('crowd').toString('base64url')}/`
    const flags = ['--endpoints', servers.etcd[0], 'get', prefix, '--prefix', '--keys-only']
    let tickets = 0
    while (tickets < WAITING + 1) {
      tickets =
        execFileSync('etcdctl', flags, { encoding: 'utf8', env: { ...process.env, ETCDCTL_API: '3' } }).match(/\S+/g)
          ?.length ?? 0
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    const lines = execFileSync('ss', ['-Htnp', 'state', 'established'], { encoding: 'utf8' }).split('\n')
    const count = lines.filter((line) => line.includes(`pid=${waiters.pid},`)).length
    return [{ contestant: ETCD, waiting: WAITING, connections: count }]
  } finally {
    await Promise.all([holder.end(), waiters.end()])
  }
}

function start(contestant, order) {
  return new Process(contestant, { contestant, servers, ttl: TTL_S, ...order })
}

/** Reports a case that fails, and continues with the others. */
async function show(title, measure) {
  console.log(`\n### ${title}\n`)
  try {
    const rows = await measure()
    results.cases[title] = rows
    console.log(table(rows))
  } catch (error) {
    console.log(`failed: ${error.stack}`)
    hasFailed = true
  }
}

/** Clients use the leader: otherwise, a contestant that happens to be connected to it would need one hop less. */
function startServers() {
  const up = spawnSync('bash', [SCRIPT, 'up', '--only', 'cluster,postgres,redis', '--owner', String(process.pid)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (up.status !== 0) throw new Error('the servers did not start')
  const { SLOCKET_ENGINES: home, ...addresses } = Object.fromEntries(
    [...up.stdout.matchAll(/^export (\w+)=(.*)$/gm)].map(([, name, value]) => [name, value]),
  )
  const members = addresses.SLOCKET_ETCD_CLUSTER.split(',')
  const isLeader = (endpoint) => {
    const flags = ['--endpoints', endpoint, 'endpoint', 'status', '-w', 'json']
    const status = execFileSync('etcdctl', flags, { encoding: 'utf8', env: { ...process.env, ETCDCTL_API: '3' } })
    return /"member_id":(\d+)/.exec(status)[1] === /"leader":(\d+)/.exec(status)[1]
  }
  const pidIn = (file) => Number(readFileSync(`${home}/${file}.pid`, 'utf8'))
  const pidsOf = {
    etcd: () => [1, 2, 3].map((n) => pidIn(`cluster-${n}`)),
    postgres: () => [pidIn('postgres'), ...childrenOf(pidIn('postgres'))],
    redis: () => [pidIn('redis')],
  }
  return {
    directory: home,
    servers: { etcd: [members.find(isLeader)], postgres: addresses.SLOCKET_POSTGRES, redis: addresses.SLOCKET_REDIS },
    pids: (server) => pidsOf[server](),
  }
}

function childrenOf(pid) {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number)
}

/** The process may have ended meanwhile. */
function kill(pid, signal) {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}

function serverVersions() {
  const first = (command, ...flags) => execFileSync(command, flags, { encoding: 'utf8' }).split('\n')[0]
  return [first('etcd', '--version'), first('redis-server', '--version'), first('psql', '--version')]
}
