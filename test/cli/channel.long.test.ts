/** A supervisor (child_process.fork, pm2) has started `slocket run` with a channel: it is the command's. */
import assert from 'node:assert/strict'
import type { ChildProcess, SerializationType } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import { afterEach, beforeEach, test } from 'node:test'
import { isRunning, SLOCKET, Workplace } from '../helpers/command.ts'
import { untilWaiting } from '../helpers/lock-directory.ts'
import { runSystem } from '../helpers/privileges.ts'

/** Says hello, and echoes what it gets; closes the channel, or exits, when the test says so. */
const APP = `
  const fs = require('node:fs')
  process.on('message', (message, handle) => {
    if (message === 'end') process.disconnect()
    else if (handle === undefined) process.send({ back: message })
    else handle.end('from the command')
  })
  process.send({ pid: process.pid })
  setInterval(() => {}, 1e6)
  fs.readFile('end', () => process.exit(5))`

let place: Workplace
let children: ChildProcess[] = []
/** Of commands. */
let pids: number[] = []
beforeEach(() => {
  place = new Workplace()
  // The app's alone: a writer may still have the one of another command open when the app begins.
  runSystem('mkfifo', place.path('end'))
  children = []
  pids = []
})
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL')
  for (const pid of pids) if (isRunning(pid)) process.kill(pid, 'SIGKILL')
  await place.close()
})

/** Starts `command` under the lock, as a supervisor does. */
function supervise(command: readonly string[], serialization: SerializationType = 'json', channelAt = 3): ChildProcess {
  const [program, ...parameters] = [...SLOCKET, 'run', 'L', '--', ...command]
  const ignored = Array.from({ length: channelAt - 3 }, () => 'ignore' as const)
  const child = spawn(program!, parameters, {
    cwd: place.directory,
    serialization,
    stdio: ['ignore', 'inherit', 'inherit', ...ignored, 'ipc'],
  })
  children.push(child)
  child.once('message', (message: { pid?: number }) => message.pid && pids.push(message.pid))
  return child
}

async function heardFrom(child: ChildProcess): Promise<unknown> {
  const [message] = (await once(child, 'message')) as [unknown]
  return message
}

for (const serialization of ['json', 'advanced'] as const) {
  for (const channelAt of [3, 70]) {
    test(`messages (${serialization}, descriptor ${channelAt}) go both ways`, async () => {
      const child = supervise([process.execPath, '-e', APP], serialization, channelAt)
      const { pid } = (await heardFrom(child)) as { pid: number }
      assert.notEqual(pid, child.pid)
      const sent = serialization === 'json' ? { n: 1 } : { n: 1n, map: new Map([[1, 'one']]) }
      child.send(sent)
      assert.deepEqual(await heardFrom(child), { back: sent })
      place.end('end')
      assert.deepEqual(await once(child, 'exit'), [5, null])
    })
  }
}

test('handles are passed on, too', async () => {
  const child = supervise([process.execPath, '-e', APP])
  await heardFrom(child)
  const server = net.createServer((socket) => child.send('take it', socket)).listen(place.path('socket'))
  await once(server, 'listening')
  const client = net.connect(place.path('socket'))
  const [text] = (await once(client, 'data')) as [Buffer]
  assert.equal(String(text), 'from the command')
  client.destroy()
  server.close()
  place.end('end')
  await once(child, 'exit')
})

test('messages sent while it waits for the lock reach the command', async () => {
  const holder = place.slocket('run', 'L', '--', 'sh', '-c', 'echo pid $$; read line <fifo')
  await holder.says(/pid/)
  const child = supervise([process.execPath, '-e', APP])
  await untilWaiting(place.path('L'), 1, child.pid)
  for (const n of [1, 2, 3]) child.send(n)
  const heard: unknown[] = []
  const all = new Promise<void>((resolve) => {
    child.on('message', (message) => {
      heard.push(message)
      if (heard.length === 4) resolve()
    })
  })
  place.end()
  await all
  assert.deepEqual(heard.slice(1), [{ back: 1 }, { back: 2 }, { back: 3 }])
  place.end('end')
  await once(child, 'exit')
})

test('the supervisor notices at once that the command has closed the channel', async () => {
  const child = supervise([process.execPath, '-e', APP])
  await heardFrom(child)
  child.send('end')
  await once(child, 'disconnect')
  place.end('end')
  assert.deepEqual(await once(child, 'exit'), [5, null])
})

test('the channel survives the death of `slocket run`', async () => {
  const child = supervise([process.execPath, '-e', APP])
  await heardFrom(child)
  child.kill('SIGKILL')
  await once(child, 'exit')
  // The methods of a child process that has ended do not send: the channel is looked at from the command's side.
  const closed = once(child, 'disconnect')
  assert.equal(child.connected, true)
  place.end('end')
  await closed
})

test('a shell can use it, and read from it as from any pipe', async () => {
  const line = 'echo \\"ready\\" >&$NODE_CHANNEL_FD; read -r answer <&$NODE_CHANNEL_FD; echo "$answer" >answer'
  const child = supervise(['bash', '-c', line])
  assert.equal(await heardFrom(child), 'ready')
  child.send({ from: 'above' })
  assert.deepEqual(await once(child, 'exit'), [0, null])
  assert.equal(fs.readFileSync(place.path('answer'), 'utf8'), '{"from":"above"}\n')
})

test('a command under two locks has the channel', async () => {
  const child = supervise([...SLOCKET, 'run', 'M', '--', process.execPath, '-e', APP])
  await heardFrom(child)
  child.send('two')
  assert.deepEqual(await heardFrom(child), { back: 'two' })
  place.end('end')
  await once(child, 'exit')
})

test('without a supervisor there is no channel', async () => {
  const script = 'console.log(process.send, Object.keys(process.env).filter((name) => name.startsWith("NODE_CHANNEL")))'
  const { stdout } = await place.runSlocket('run', 'L', '--', process.execPath, '-e', script)
  assert.equal(stdout, 'undefined []\n')
})
