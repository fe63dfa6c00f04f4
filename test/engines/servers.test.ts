import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { isRunning } from '../helpers/command.ts'
import { pass, until } from '../helpers/until.ts'
import { addressOf, Servers, spawnEngines } from './helpers/servers.ts'

describe('the servers of the tests', () => {
  test('listen where the variables say', async () => {
    const urls = [...addressOf('cluster').split(','), addressOf('etcd'), addressOf('postgres'), addressOf('redis')]
    assert.equal(urls.length, 6)
    await Promise.all(urls.map(connect))
  })

  test('several sets can run at once, each with its own servers, and leave nothing behind', async () => {
    const [one, other] = await Promise.all([Servers.start('redis'), Servers.start('redis')])
    assert.notEqual(one.addressOf('redis'), other.addressOf('redis'))
    const pids = [one.pidOf('redis'), other.pidOf('redis')]
    await Promise.all([connect(one.addressOf('redis')), connect(other.addressOf('redis'))])
    await Promise.all([one.close(), other.close()])
    assert.deepEqual(pids.map(isRunning), [false, false])
    assert.deepEqual(
      [one, other].map(({ directory }) => fs.existsSync(directory)),
      [false, false],
    )
  })

  test('can be killed and restarted', async () => {
    await using servers = await Servers.start('redis')
    await servers.signal('redis', 'SIGKILL')
    await assert.rejects(connect(servers.addressOf('redis')), { code: 'ECONNREFUSED' })
    await servers.restart('redis')
    await until('it listens again', () =>
      connect(servers.addressOf('redis')).then(
        () => true,
        () => false,
      ),
    )
  })

  test("use no processor time: the process that waits for their owner's end starts no process meanwhile", async () => {
    await using servers = await Servers.start('redis')
    const guards = fs.readdirSync('/proc').filter((pid) => isGuardOf(pid, process.pid))
    assert.notEqual(guards.length, 0)
    // Once it has begun to wait.
    await until('none has started a process for several times as long as it pauses', async () => {
      const before = guards.map(faultsOfChildren)
      await pass(1500)
      return isDeepStrictEqual(guards.map(faultsOfChildren), before)
    })
    assert.ok(isRunning(servers.pidOf('redis')))
  })

  test('end with their owner, however it ends', async () => {
    const sleeper = spawn('sleep', ['600'])
    const up = spawnEngines('up', '--only', 'redis', '--owner', String(sleeper.pid))
    const directory = await directoryOf(up)
    const pid = Number(fs.readFileSync(join(directory, 'redis.pid'), 'utf8'))
    assert.ok(isRunning(pid))
    sleeper.kill('SIGKILL')
    await until('nothing is left', () => !isRunning(pid) && !fs.existsSync(directory))
  })

  test('end if the script is killed while it starts them', async () => {
    const before = new Set(fs.readdirSync('/dev/shm'))
    const up = spawnEngines('up', '--only', 'postgres')
    const name = await until('it has begun', () =>
      fs.readdirSync('/dev/shm').find((entry) => entry.startsWith('slocket-engines-') && !before.has(entry)),
    )
    up.kill('SIGKILL')
    await until('nothing is left', () => !fs.existsSync(join('/dev/shm', name)))
  })
})

function isGuardOf(pid: string, owner: number): boolean {
  if (!/^\d+$/.test(pid)) return false
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(`engines.sh\0guard\0${owner}\0`)
  } catch {
    return false
  }
}

/** The page faults of the processes that it has started, and that have ended: cminflt of proc_pid_stat(5). Undefined if it has ended: one of an earlier test. */
function faultsOfChildren(pid: string): number | undefined {
  let stat: string
  try {
    stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return undefined
  }
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[8])
}

async function connect(url: string): Promise<void> {
  const { hostname, port } = new URL(url)
  const socket = net.connect(Number(port), hostname)
  try {
    await once(socket, 'connect')
  } finally {
    socket.destroy()
  }
}

async function directoryOf(up: ReturnType<typeof spawnEngines>): Promise<string> {
  let output = ''
  up.stdout!.setEncoding('utf8').on('data', (text: string) => (output += text))
  const [code] = (await once(up, 'close')) as [number]
  assert.equal(code, 0)
  return /^export SLOCKET_ENGINES=(.*)$/m.exec(output)![1]!
}
