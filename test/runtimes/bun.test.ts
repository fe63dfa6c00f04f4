/** Bun beside Node, and a full backlog, which Bun's own error doesn't tell from a death. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import type { ClientOptions } from '../helpers/client.ts'
import { CONTAINER, reasonWithoutContainer } from '../helpers/container.ts'
import { ticketsIn, untilWaiting } from '../helpers/lock-directory.ts'
import { BUN, NODE, skipBun } from '../helpers/runtime.ts'
import type { Scene } from '../helpers/scenario.ts'
import { scenario } from '../helpers/scenario.ts'
import { pass } from '../helpers/until.ts'
import { testBesideNode } from './beside-node.ts'

testBesideNode({ name: 'Bun', runtime: BUN, skip: skipBun })

/** More than the backlog of Bun, which takes 512 and no other number. */
const CONNECTIONS = 700

/** How long what must not be removed is looked at. */
const SWEPT_MS = 300

const INSIDE: ClientOptions = { runtime: BUN, wrapper: CONTAINER }

scenario(
  'Bun in a container does not take a stopped holder with a full backlog for dead, although it cannot see the process',
  { skip: skipBun !== false ? skipBun : reasonWithoutContainer() },
  async (scene) => {
    const [holder, flooder, waiter, passer] = await Promise.all([
      scene.spawn('holder', { runtime: BUN }),
      scene.spawn('flooder', { runtime: NODE }),
      scene.spawn('waiter', INSIDE),
      scene.spawn('passer', INSIDE),
    ])
    await holder.acquire(scene.path)
    await holder.stop()
    const [ticket] = ticketsIn(scene.path)
    const names = namesOf(scene)
    flooder.send({ do: 'flood', path: join(scene.path, ticket!.name), count: CONNECTIONS })
    const { count } = await flooder.next('flooded')
    assert.ok(count! < CONNECTIONS, `all ${count} connections came about`)

    assert.equal(await passer.try(scene.path), false)
    assert.equal((await passer.fail(scene.path, { timeout: 0 })).code, 'ERR_SLOCKET_TIMEOUT')
    waiter.send({ do: 'acquire', path: scene.path })
    await untilWaiting(scene.path, 1)
    assert.equal(await passer.try(scene.path), false)
    // A newcomer removes what a dead member has left.
    await pass(SWEPT_MS)
    for (const name of names) assert.ok(namesOf(scene).includes(name), `${name} was removed`)
    await holder.kill()
    assert.equal((await waiter.next('granted')).recovered, true)
  },
)

/** All that is in the lock's directory. */
function namesOf({ path }: Scene): string[] {
  return fs.readdirSync(path, { recursive: true }).map(String)
}
