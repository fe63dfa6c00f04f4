// A try that is delayed in the queue, since it has to connect to the ticket ahead: queries don't show it as a waiter.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { openNames } from '../../src/engines/local/names/index.ts'
import { LockManager } from '../../src/index.ts'

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-web-'))
after(() => fs.rmSync(directory, { recursive: true, force: true }))

test('a try is not shown as waiting, neither by its own client nor by another one', async () => {
  const root = path.join(directory, 'root')
  const engines = [openNames(root), openNames(root), openNames(root)] as const
  const [holder, trier] = engines.map((engine) => new LockManager({ engine }))
  let release!: () => void
  const held = holder!.request('lock', () => new Promise<void>((resolve) => (release = resolve)))
  await holder!.query()
  const { connect } = net
  let goOn!: () => void
  const isHeldUp = new Promise<void>((heldUp) => {
    net.connect = ((options: net.IpcNetConnectOpts) => {
      // Others check whether the tickets ahead are alive.
      if (!isTicket(path.basename(options.path))) return connect(options)
      net.connect = connect
      const socket = new net.Socket()
      const near = fs.realpathSync(path.dirname(options.path))
      goOn = () => void socket.connect({ path: path.join(near, path.basename(options.path)) })
      heldUp()
      return socket
    }) as typeof net.connect
  })
  const tried = trier!.request('lock', { ifAvailable: true }, (lock) => lock)
  await isHeldUp
  const tickets = fs.readdirSync(path.join(root, 'lock')).filter(isTicket)
  assert.equal(tickets.length, 2)
  // The engines themselves: a manager's query would come after its own try.
  for (const engine of engines) {
    const snapshot = (await engine.queryAll!()).get('lock')!
    assert.deepEqual([snapshot.held.length, snapshot.pending.length], [1, 0])
  }
  goOn()
  assert.equal(await tried, null)
  release()
  await held
})

/** Not a mark. */
function isTicket(name: string): boolean {
  return /-[0-9a-f]{8}$/.test(name)
}
