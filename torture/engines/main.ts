/**
 * The torture of the engines that talk to servers: npm run torture:engines -- [--on etcd|postgres|pooler|redis] [--seconds 120] [--clients 5] [--seed N] [--keep-traces]
 *
 * Rounds of clients that take locks in loops, on their own etcd cluster, or PostgreSQL server (alone, or behind PgBouncer) or Redis server. Nemeses for servers, clients and the network
 * follow one after the other, as the seed says. At the end of a round, all faults are over and each client must get a lock again. Then the traces of the clients
 * are checked (test/engines/helpers/check.ts). Exits with 1 if anything was found.
 *
 * The seed repeats the plan, not the timing.
 */
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Random } from '../../src/testing/random.ts'
import { FIELDS } from './fields.ts'
import { playRound } from './round.ts'

const ROUND_SECONDS = 40

const { values } = parseArgs({
  options: {
    on: { type: 'string', default: 'etcd' },
    seconds: { type: 'string', default: '120' },
    clients: { type: 'string', default: '5' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 32)) },
    'keep-traces': { type: 'boolean', default: false },
  },
})
const [seconds, clients, seed] = (['seconds', 'clients', 'seed'] as const).map((name) => {
  if (!/^\d+$/.test(values[name])) throw new RangeError(`--${name} must be a whole number, not ${values[name]}`)
  return Number(values[name])
}) as [number, number, number]

const field = FIELDS.get(values.on)
if (field === undefined) throw new RangeError(`--on must be one of ${[...FIELDS.keys()].join(', ')}`)
console.log(`--on ${values.on} --seconds ${seconds} --clients ${clients} --seed ${seed}`)
const random = new Random(seed)
const endMs = performance.now() + seconds * 1000
let isSound = true
do {
  const roundSeed = random.below(2 ** 32)
  const roundMs = Math.min(ROUND_SECONDS * 1000, Math.max(5000, endMs - performance.now()))
  const onOpen = (file: string): void => console.log(`round ${roundSeed} writes ${file}`)
  const { findings, counts, trace } = await playRound(field, roundSeed, { clients, ms: roundMs }, onOpen)
  console.log(`round ${roundSeed}: ${[...counts].map(([what, count]) => `${count} ${what}`).join(', ')}`)
  for (const finding of findings.slice(0, 20)) console.log(`FOUND: ${finding}`)
  if (findings.length > 0) isSound = false
  if (findings.length > 0 || values['keep-traces']) {
    const kept = join(fs.mkdtempSync(join(tmpdir(), 'slocket-torture-engines-')), 'trace')
    const inOrder = [...trace].sort((a, b) => Number(BigInt(a.at) - BigInt(b.at)))
    fs.writeFileSync(kept, inOrder.map((line) => `${JSON.stringify(line)}\n`).join(''))
    console.log(`its trace is kept: ${kept}`)
  }
} while (isSound && performance.now() < endMs)
console.log(isSound ? 'nothing was found' : 'something was found')
process.exitCode = isSound ? 0 : 1
