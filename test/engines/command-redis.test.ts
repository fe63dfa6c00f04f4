// `slocket run --engine` and `slocket status --engine`, on Redis. All tests at once: what they do is wait, for leases to run out.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { redis } from '../../src/engines/redis/index.ts'
import { slocket } from '../../src/index.ts'
import { SLOCKET, Workplace } from '../helpers/command.ts'
import { until } from '../helpers/until.ts'
import { addressOf } from './helpers/servers.ts'
import { TcpProxy } from './helpers/tcp-proxy.ts'

const namespace = `command-${randomBytes(6).toString('hex')}`
/** Ends on command. */
const HOLD = ['sh', '-c', 'echo pid $$ token $SLOCKET_TOKEN; read line <fifo']

describe('the command on Redis', { concurrency: true }, () => {
  const server = addressOf('redis')
  const urlOf = (address: string): string => `redis://${address}?namespace=${namespace}`
  const url = urlOf(new URL(server).host)
  const engine = redis({ url: server, namespace })
  const waits = async (name: string): Promise<boolean> => (await slocket.query(name, { engine })).pending.length === 1

  test(
    'a command runs under the lock, others wait or give up, and status shows them, also without a name',
    inWorkplace(async (place) => {
      const holder = place.slocket('run', '--engine', url, '--label', 'first', 'deploy', '--', ...HOLD)
      const [, token] = await holder.says(/token (\d+)/)
      assert.equal((await slocket.query('deploy', { engine })).held[0]!.pid, holder.pid)
      assert.equal((await place.runSlocket('run', '--engine', url, '-n', 'deploy', 'true')).status, 1)
      const waiter = place.slocket('run', '--engine', url, 'deploy', 'sh', '-c', 'echo token $SLOCKET_TOKEN')
      await until('it waits', () => waits('deploy'))
      for (const names of [['deploy'], []]) {
        const shown = await place.runSlocket('status', '--engine', url, '--json', ...names)
        const all = JSON.parse(shown.stdout) as { held: { label: string }[]; waiting: { pid: number }[] }[]
        const status = all.find(({ held }) => held[0]?.label === 'first')
        assert.equal(status?.waiting[0]!.pid, waiter.pid)
      }
      place.end()
      assert.equal((await holder.ended()).status, 0)
      const [, next] = /token (\d+)/.exec((await waiter.ended()).stdout)!
      assert.ok(BigInt(next!) > BigInt(token!))
      assert.deepEqual(await slocket.query('deploy', { engine }), { held: [], pending: [] })
    }),
  )

  test(
    'when the server is silent, a command with --on-lost=kill is killed before the next one runs',
    inWorkplace(async (place) => {
      await using proxy = await TcpProxy.open(server)
      const stubborn = ['sh', '-c', 'trap "" TERM; echo pid $$; read line <fifo; echo went on']
      const options = ['--engine', urlOf(proxy.address), '--on-lost', 'kill']
      const killed = place.slocket('run', ...options, 'to-be-killed', '--', ...stubborn)
      const [, pid] = await killed.says(/pid (\d+)/)
      const next = ['to-be-killed', 'sh', '-c', `kill -0 ${pid} || echo it is dead`]
      const waiter = place.slocket('run', '--engine', url, ...next)
      await until('it waits', () => waits('to-be-killed'))
      proxy.isLosingReplies = true
      const { status, stderr, stdout } = await killed.ended()
      assert.equal(status, 128 + 9, stderr)
      assert.match(stderr, /the lock 'to-be-killed' is lost/)
      assert.doesNotMatch(stdout, /went on/)
      assert.equal((await waiter.ended()).stdout, 'it is dead\n')
    }),
  )

  test(
    'the password of the URL is not shown by status, in a message or by NODE_DEBUG',
    inWorkplace(async (place) => {
      // A server that asks for no password takes any, for the user `default`.
      const secret = url.replace('redis://', 'redis://default:SECRET@')
      const start = (...parameters: string[]) =>
        place.start([...SLOCKET, 'run', ...parameters], { env: { NODE_DEBUG: 'slocket' } })
      const holder = start('--engine', secret, 'secret', '--', ...HOLD)
      await holder.says(/token/)
      const { status, stderr } = await start(`--engine=${secret}`, '-w', '1', '-v', 'secret', 'true').ended()
      assert.equal(status, 1, stderr)
      const shown = await place.runSlocket('status', '--engine', url, '--json', 'secret')
      place.end()
      const told = [shown.stdout, shown.stderr, stderr, (await holder.ended()).stderr]
      for (const text of told) assert.doesNotMatch(text, /SECRET/)
      assert.match(shown.stdout, /redis:\/\/\*\*\*@/)
    }),
  )

  test(
    'unsupported options are an error',
    inWorkplace(async (place) => {
      for (const [parameters, expected] of [
        [['run', '--engine', 'redis://', 'a', 'true'], 64],
        [['run', '--engine', 'redis://h?ttl=5', 'a', 'true'], 64],
        [['run', '--engine', 'redis://locker:SECRET@127.0.0.1:1', 'a', 'true'], 69],
      ] as const) {
        const { status, stderr } = await place.runSlocket(...parameters)
        assert.equal(status, expected, stderr)
        assert.match(stderr, /^slocket: /)
        assert.doesNotMatch(stderr, /SECRET/)
      }
    }),
  )
})

function inWorkplace(body: (place: Workplace) => Promise<void>): () => Promise<void> {
  return async () => {
    const place = new Workplace()
    try {
      await body(place)
    } finally {
      await place.close()
    }
  }
}
