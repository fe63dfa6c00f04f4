/** What a dead member has left is removed with its socket, or both stay. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { QueueDirectory } from '../../../../src/engines/local/directory.ts'
import type { Member } from '../../../../src/engines/local/members/member.ts'
import type { PresentQueue } from '../../../../src/engines/local/members/presence.ts'
import { Presence } from '../../../../src/engines/local/members/presence.ts'
import type { Asker } from '../../../../src/engines/local/members/remove-stale.ts'
import { askMember, removeStaleMembers } from '../../../../src/engines/local/members/remove-stale.ts'
import { SocketAddresses } from '../../../../src/engines/local/platform/socket-addresses.ts'
import { witness } from '../../../../src/engines/local/platform/witness.ts'
import { until } from '../../../helpers/until.ts'
import { exceptOnWindows } from '../../../helpers/windows.ts'

const NAME = 'abcdefghijkl.1'
const options = { skip: exceptOnWindows('there, members have no sockets') }
const LISTEN = `require('node:net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`

let parent: string
let directory: QueueDirectory
beforeEach(() => {
  parent = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-stale-'))
  directory = new QueueDirectory(path.join(parent, 'lock'))
  fs.mkdirSync(directory.pathOfMember(''), { recursive: true })
  spawnSync(process.execPath, ['-e', LISTEN, directory.pathOfMember(NAME)])
  assert.deepEqual(directory.memberNames(), [NAME])
})
afterEach(() => fs.rmSync(parent, { recursive: true, force: true }))

async function ask(collect: Asker['collect']): Promise<void> {
  const addresses = new SocketAddresses(directory.path)
  await new Promise<void>((resolve) => askMember(directory, addresses, NAME, { collect, onAsked: () => resolve() }))
  addresses.close()
}

test('a socket stays if what its member has left cannot be found, and goes with the rest later', options, async () => {
  await ask(() => {
    throw Object.assign(new Error('no more descriptors'), { code: 'EMFILE' })
  })
  assert.deepEqual(directory.memberNames(), [NAME])
  let removed = 0
  await ask(() => () => (removed += 1))
  assert.equal(removed, 1)
  assert.deepEqual(directory.memberNames(), [])
})

test('what has been put in the place of the directory meanwhile is not touched', options, async () => {
  const other = path.join(parent, 'other')
  fs.mkdirSync(path.join(other, '.members'), { recursive: true })
  fs.writeFileSync(path.join(other, '.members', NAME), 'data')
  for (const leftovers of [undefined, () => {}]) {
    await ask(() => {
      if (!fs.lstatSync(directory.path).isSymbolicLink()) {
        fs.renameSync(directory.path, `${directory.path}-before`)
        fs.symlinkSync(other, directory.path)
      }
      return leftovers
    })
    assert.equal(fs.readFileSync(path.join(other, '.members', NAME), 'utf8'), 'data')
    fs.rmSync(directory.path)
    fs.renameSync(`${directory.path}-before`, directory.path)
  }
})

test('a regular file with the name of a member is not touched', options, async () => {
  fs.rmSync(directory.pathOfMember(NAME))
  fs.writeFileSync(directory.pathOfMember(NAME), 'data')
  await ask(() => undefined)
  assert.deepEqual(directory.memberNames(), [NAME])
})

test(
  'a directory that is used all the time does not keep dead members of others from being removed',
  options,
  async () => {
    const busy = new QueueDirectory(path.join(parent, 'busy'))
    fs.mkdirSync(busy.pathOfMember(''), { recursive: true })
    const servers = Array.from({ length: 20 }, () => net.createServer((socket) => socket.destroy()))
    for (const [index, server] of servers.entries()) {
      server.listen(busy.pathOfMember(`${String(index).padStart(12, 'a')}.4100000`))
      await once(server, 'listening')
    }
    const own = { id: 'zzzzzzzzzzzz' } as Member
    const all = [new SocketAddresses(busy.path), new SocketAddresses(directory.path)] as const
    let isOver = false
    const askBusy = (): void => {
      if (!isOver)
        removeStaleMembers(busy, all[0], own, { collect: () => undefined, onAsked: () => setImmediate(askBusy) })
    }
    askBusy()
    removeStaleMembers(directory, all[1], own, { collect: () => undefined, onAsked: () => undefined })
    await until('it is removed', () => directory.memberNames().length === 0).finally(() => (isOver = true))
    await setTimeout(100)
    for (const addresses of all) addresses.close()
    for (const server of servers) server.close()
  },
)

/** A process is present in the directory for one turn of the event loop, and finds other members there. */
async function comeAndGo(): Promise<void> {
  for (const each of [directory.path, directory.pathOfMember('')]) fs.chmodSync(each, 0o1775)
  const keeper = { onPresent: () => undefined, onAway: () => undefined }
  const presence = new Presence(directory, keeper)
  presence.attach({ own: new Map(), leave: () => undefined } as unknown as PresentQueue)
  await presence.open()
  presence.leave()
}

test('a process that has left removes the directory if it finds a dead member in it', options, async () => {
  await comeAndGo()
  await until('it is gone', () => !fs.existsSync(directory.path))
})

const asking = {
  skip: options.skip || (witness.kind === 'file' && 'there, nobody connects to a member to see whether it lives'),
}
test('otherwise it leaves the directory to its members, which may be leaving just then', asking, async () => {
  fs.rmSync(directory.pathOfMember(NAME))
  const server = net.createServer()
  server.listen(directory.pathOfMember(NAME))
  await once(server, 'listening')
  const asked = once(server, 'connection')
  await comeAndGo()
  const [socket] = (await asked) as [net.Socket]
  fs.rmSync(directory.pathOfMember(NAME))
  await once(socket.resume(), 'close')
  await setTimeout(100)
  assert.deepEqual(directory.memberNames(), [])
  assert.equal(fs.existsSync(directory.pathOfMember('')), true)
  server.close()
})
