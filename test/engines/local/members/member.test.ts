import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { Member, memberFile, memberPid, randomMemberId } from '../../../../src/engines/local/members/member.ts'

const MEMBER = new URL('../../../../src/engines/local/members/member.js', import.meta.url).href

test('processes with the same random seed have members with different names', () => {
  const code = `console.log((await import(${JSON.stringify(MEMBER)})).randomMemberId())`
  const ask = (): string =>
    execFileSync(process.execPath, ['--random-seed=7', '--input-type=module', '-e', code], { encoding: 'utf8' })
  const [one, two] = [ask(), ask()]
  assert.notEqual(one, two)
})

test('the name of a member has twelve characters, and its file contains the process id', () => {
  for (let count = 0; count < 1000; count += 1) {
    const id = randomMemberId()
    assert.match(id, /^[a-z0-9]{12}$/)
    assert.equal(memberPid(memberFile(id)), String(process.pid))
  }
})

test('a member that was closed while it connected opens no more addresses', async () => {
  const owner = { onWake: () => {}, onConnected: () => {}, onDisconnected: () => {}, describe: () => '{}' }
  const member = new Member(randomMemberId(), { server: net.createServer(), close: () => {} }, owner)
  const opened: string[] = []
  const addressOf = (ticket: string): { open(): string; close(): void } => ({
    open: () => {
      opened.push(ticket)
      return `/nowhere/${ticket}`
    },
    close: () => {},
  })
  const peer = randomMemberId()
  const [first, second] = [member.connect(addressOf('first'), peer), member.connect(addressOf('second'), peer)]
  member.close()
  assert.deepEqual([await first, await second], ['gone', 'gone'])
  assert.deepEqual(opened, ['first'])
})

test('a member closes what it has opened in order to connect, without a turn of the event loop', async (context) => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-member-'))
  const other = net.createServer().listen(path.join(directory, 'socket'))
  context.after(() => {
    other.close()
    fs.rmSync(directory, { recursive: true })
  })
  const owner = { onWake: () => {}, onConnected: () => {}, onDisconnected: () => {}, describe: () => '{}' }
  const member = new Member(randomMemberId(), { server: net.createServer(), close: () => {} }, owner)
  let isOpen = false
  const { connect } = net
  const sockets: net.Socket[] = []
  context.mock.method(net, 'connect', (...parameters: Parameters<typeof connect>) => {
    const socket = connect(...parameters)
    sockets.push(socket)
    return socket
  })
  const open = (): string => {
    isOpen = true
    return path.join(directory, 'socket')
  }
  const connecting = member.connect({ open, close: () => (isOpen = false) }, randomMemberId())
  assert.deepEqual([isOpen, sockets.map(({ destroyed }) => destroyed)], [true, [false]])
  member.close()
  assert.deepEqual([isOpen, sockets.map(({ destroyed }) => destroyed)], [false, [true]])
  assert.equal(await connecting, 'gone')
})
