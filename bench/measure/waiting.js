// Some of the clients that wait for one lock. Each holds it for a while and then joins the queue again.
import fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { now } from '../clock.js'
import { load } from '../contestants/index.js'
import { options, send, receive } from './messages.js'

const { contestant, path, holdMs, quietMs } = options
const { open } = await load(contestant)
const grants = []
const releases = []
let isStopped = false
let go
const started = new Promise((resolve) => (go = resolve))

send('ready')
for (;;) {
  const message = await receive()
  if (message === 'join') {
    void cycle()
    await new Promise((resolve) => setImmediate(resolve))
    send('asking')
  } else if (message === 'go') go()
  else if (message === 'measure a join') send(await measureJoin())
  else {
    isStopped = true
    send({ grants, releases })
  }
}

/** The lock is held for longer than the work of a hand-off takes, so that hand-offs don't overlap. */
async function cycle() {
  const lock = open(path, { ownClient: true })
  for (;;) {
    const held = await lock.acquire()
    grants.push(now())
    await started
    await sleep(holdMs)
    if (isStopped) return // holds on
    releases.push(now())
    await lock.release(held)
    await sleep(holdMs / 4)
    if (isStopped) return
  }
}

/** How long one more client takes to join the queue: from the call to the last link that it makes in the lock's directory, which is its ticket, in ms. */
async function measureJoin() {
  let linked
  const { linkSync } = fs
  fs.linkSync = (from, to) => {
    linkSync(from, to)
    linked = now()
  }
  const asked = now()
  open(path, { ownClient: true }).acquire()
  do await sleep(quietMs)
  while (linked === undefined || now() - linked < quietMs)
  fs.linkSync = linkSync
  return linked - asked
}
