// `slocket run --engine` and `slocket status --engine`, on etcd. All tests at once: what they do is wait, for leases to run out.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { etcd } from '../../src/engines/etcd/index.ts'
import { slocket } from '../../src/index.ts'
import { isRunning, SLOCKET, Workplace } from '../helpers/command.ts'
import { until } from '../helpers/until.ts'
import { etcdctl } from './helpers/etcd-cluster.ts'
import { addressOf } from './helpers/servers.ts'
import { TcpProxy } from './helpers/tcp-proxy.ts'

const namespace = `command-${randomBytes(6).toString('hex')}`
/** Ends on command. */
const HOLD = ['sh', '-c', 'echo pid $$ token $SLOCKET_TOKEN; read line <fifo']

describe('the command on etcd', { concurrency: true }, () => {
  const endpoints = addressOf('etcd')
  const urlOf = (address: string): string => `etcd://${address}/${namespace}`
  const url = urlOf(new URL(endpoints).host)
  const engine = etcd({ endpoints, namespace })
  const waits = async (name: string): Promise<boolean> => (await slocket.query(name, { engine })).pending.length === 1

  test(
    'a command runs under the lock, others wait or give up, and status shows them',
    inWorkplace(async (place) => {
      const holder = place.slocket('run', '--engine', url, '--label', 'first', 'deploy', '--', ...HOLD)
      const [, token] = await holder.says(/token (\d+)/)
      const [first] = (await slocket.query('deploy', { engine })).held
      assert.equal(first!.pid, holder.pid)
      assert.equal((await place.runSlocket('run', '--engine', url, '-n', 'deploy', 'true')).status, 1)
      const waiter = place.slocket('run', '--engine', url, 'deploy', 'sh', '-c', 'echo token $SLOCKET_TOKEN')
      await until('it waits', () => waits('deploy'))
      const shown = await place.runSlocket('status', '--engine', url, '--json', 'deploy')
      const [status] = JSON.parse(shown.stdout) as { held: { label: string }[]; waiting: { pid: number }[] }[]
      assert.equal(status!.held[0]!.label, 'first')
      assert.equal(status!.waiting[0]!.pid, waiter.pid)
      place.end()
      assert.equal((await holder.ended()).status, 0)
      const [, next] = /token (\d+)/.exec((await waiter.ended()).stdout)!
      assert.ok(BigInt(next!) > BigInt(token!))
      assert.deepEqual(await slocket.query('deploy', { engine }), { held: [], pending: [] })
    }),
  )

  test(
    'when slocket is killed, the next one gets the lock after the lease; setpriv ends the command before',
    inWorkplace(async (place) => {
      const command = ['setpriv', '--pdeathsig', 'KILL', ...HOLD]
      const holder = place.slocket('run', '--engine', url, 'killed', '--', ...command)
      const [, pid] = await holder.says(/pid (\d+)/)
      const waiter = place.slocket('run', '--engine', url, 'killed', 'sh', '-c', 'echo after')
      await until('it waits', () => waits('killed'))
      holder.kill('SIGKILL')
      await holder.exited()
      await waiter.says(/after/)
      assert.equal(isRunning(Number(pid)), false)
      assert.equal((await waiter.ended()).status, 0)
    }),
  )

  test(
    'when the server is silent, a command with --on-lost=kill is killed before the next one runs',
    inWorkplace(async (place) => {
      await using proxy = await TcpProxy.open(endpoints)
      const stubborn = ['sh', '-c', 'trap "" TERM; echo pid $$; read line <fifo; echo went on']
      const start = (name: string, onLost: string) =>
        place.slocket('run', '--engine', urlOf(proxy.address), '--on-lost', onLost, name, '--', ...stubborn)
      const [killed, kept] = [start('to-be-killed', 'kill'), start('to-be-kept', 'ignore')]
      const [, pid] = await killed.says(/pid (\d+)/)
      await kept.says(/pid/)
      const waiter = place.slocket(
        'run',
        '--engine',
        url,
        'to-be-killed',
        'sh',
        '-c',
        `kill -0 ${pid} || echo it is dead`,
      )
      await until('it waits', () => waits('to-be-killed'))
      proxy.isLosingReplies = true
      const { status, stderr, stdout } = await killed.ended()
      assert.equal(status, 128 + 9, stderr)
      assert.match(stderr, /the lock 'to-be-killed' is lost/)
      assert.doesNotMatch(stdout, /went on/)
      assert.equal((await waiter.ended()).stdout, 'it is dead\n')
      await kept.complains(/the lock 'to-be-kept' is lost/)
      place.end()
      assert.match((await kept.ended()).stdout, /went on/)
    }),
  )

  test(
    'the password of the URL is not shown by status, in a message, in a key or by NODE_DEBUG',
    inWorkplace(async (place) => {
      const secret = url.replace('etcd://', 'etcd://locker:SECRET@')
      const start = (...parameters: string[]) =>
        place.start([...SLOCKET, 'run', ...parameters], { env: { NODE_DEBUG: 'slocket' } })
      const holder = start('--engine', secret, 'secret', '--', ...HOLD)
      await holder.says(/token/)
      const { status, stderr } = await start(`--engine=${secret}`, '-w', '1', '-v', 'secret', 'true').ended()
      assert.equal(status, 1, stderr)
      assert.match(stderr, /was not free within 1000 ms/)
      const shown = await place.runSlocket('status', '--engine', secret, '--json', 'secret')
      const keys = await etcdctl(endpoints, 'get', `${namespace}/`, '--prefix')
      place.end()
      const told = [shown.stdout, shown.stderr, keys, stderr, (await holder.ended()).stderr]
      for (const text of told) assert.doesNotMatch(text, /SECRET/)
      assert.match(shown.stdout, /etcd:\/\/\*\*\*@/)
    }),
  )

  test(
    'unsupported options are an error',
    inWorkplace(async (place) => {
      for (const [parameters, expected] of [
        [['run', '--engine', 'etcd://', 'a', 'true'], 64],
        [['run', '--engine', 'etcd://user@localhost/x', 'a', 'true'], 64],
        [['run', '--engine', 'etcd://locker:SECRET@127.0.0.1:1/x', 'a', 'true'], 69],
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
