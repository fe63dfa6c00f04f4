// Some of the clients that wait for one lock. Each holds it for a while and then joins the queue again.
import { watch } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { now } from '../clock.js'
import { load } from '../contestants/index.js'
import { options, tell, told } from './told.js'

const { contestant, path, holdMs, quietMs } = options
const { open } = await load(contestant)
const grants = []
const releases = []
let isStopped = false
let go
const started = new Promise((resolve) => (go = resolve))

tell('ready')
for (;;) {
  const message = await told()
  if (message === 'join') {
    void cycle()
    await new Promise((resolve) => setImmediate(resolve))
    tell('asking')
  } else if (message === 'go') go()
  else if (message === 'measure a join') tell(await measureJoin())
  else {
    isStopped = true
    tell({ grants, releases })
  }
}

/** Whatever happens for one hand-off is over before the next one begins: the lock is held for longer than that takes. */
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

/** How long it takes until one more client stands in the queue: from the call to the last change in the lock's directory, in ms. */
async function measureJoin() {
  let changed
  const watcher = watch(path, (type) => {
    if (type === 'rename') changed = now()
  })
  const asked = now()
  open(path, { ownClient: true }).acquire()
  do await sleep(quietMs)
  while (changed === undefined || now() - changed < quietMs)
  watcher.close()
  return changed - asked
}
