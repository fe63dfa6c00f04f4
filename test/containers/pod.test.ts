/**
 * Containers of one pod that share an emptyDir. Podman has pods as Kubernetes has them, by an infra container whose network, IPC and UTS namespaces they share,
 * and on demand the pid namespace (`shareProcessNamespace`). There is no kubelet here: an emptyDir is made as it makes one, a directory of the host, or a tmpfs with
 * `medium: Memory`, that is mounted into each container.
 */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { ticketsIn, untilWaiting } from '../helpers/lock-directory.ts'
import { mountTmpfs } from '../helpers/mounts.ts'
import { useOnceAndCleanUp } from '../helpers/party.ts'
import { killContainer, makePod, skipContainers, startContainer, startContainers } from '../helpers/podman.ts'
import type { Scene } from '../helpers/scenario.ts'
import { scenario } from '../helpers/scenario.ts'

const skip = skipContainers

const EMPTY_DIRS: Readonly<Record<string, (scene: Scene) => string>> = {
  'an emptyDir': (scene) => {
    const directory = join(scene.directory, 'empty-dir')
    fs.mkdirSync(directory)
    return directory
  },
  'an emptyDir in memory': (scene) => mountTmpfs(scene, 'size=1m'),
}

for (const [kind, makeEmptyDir] of Object.entries(EMPTY_DIRS))
  for (const sharesPids of [false, true])
    scenario(
      `two containers of a pod that ${sharesPids ? 'shares process ids' : 'has process ids for each'} lock in ${kind}: in order; if the holder is killed, the other one gets the lock`,
      { skip },
      async (scene) => {
        const directory = makeEmptyDir(scene)
        const path = '/empty-dir/lock'
        const onHost = join(directory, 'lock')
        const options = {
          mounts: { '/empty-dir': directory },
          parameters: [`--pod=${makePod(scene, { sharesPids })}`],
        }
        const [a, b] = await startContainers(scene, options, 'a', 'b')
        assert.equal(a.client.ticketPid === b.client.ticketPid, !sharesPids)
        await a.client.acquire(path)
        b.client.send({ do: 'acquire', path })
        await untilWaiting(onHost, 1)
        a.client.send({ do: 'acquire', path, as: 'again' })
        await untilWaiting(onHost, 2)
        await a.client.release()
        assert.equal((await b.client.next('granted')).recovered, false)
        await killContainer(scene, b)
        assert.equal((await a.client.next('granted', 'again')).recovered, true)

        // The pod starts a container anew: it stands in the same queue.
        const anew = await startContainer(scene, 'anew', options)
        anew.client.send({ do: 'acquire', path })
        await untilWaiting(onHost, 1)
        assert.equal(ticketsIn(onHost).length, 2)
        await a.client.release('again')
        assert.equal((await anew.client.next('granted')).recovered, false)
        await anew.client.release()
        assert.deepEqual(scene.journal.order(), ['a', 'b', 'a', 'anew'])
        await useOnceAndCleanUp(await scene.spawn('host'), onHost)
      },
    )
