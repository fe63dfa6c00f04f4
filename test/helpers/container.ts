/** Processes in their own namespaces, as in containers. */
import fs from 'node:fs'
import type { Client } from './client.ts'
import type { Journal } from './journal.ts'
import { reasonWithout } from './privileges.ts'

const NAMESPACES = ['-p', '-f', '-n', '-m', '--mount-proc', '--kill-child']

/** For `Scene.spawn`: pid, network and mount namespaces. The process is the container's init. */
export const CONTAINER: readonly string[] = ['unshare', ...NAMESPACES]

/** Like CONTAINER, with a user namespace, whose root is the user outside. */
export const USER_CONTAINER: readonly string[] = ['unshare', '-U', '-r', ...NAMESPACES]

/** Like CONTAINER, with a shell as its init; the process is the shell's child. */
export const CONTAINER_WITH_INIT: readonly string[] = [...CONTAINER, 'bash', '-c', '"$@" <&0 & wait', 'bash']

/** The reason why there can't be a container here; false if there can. */
export function reasonWithoutContainer(container: readonly string[] = CONTAINER): string | false {
  return reasonWithout(container[0]!, ...container.slice(1), 'true')
}

/** kill -9 of the first process of a client's container: the kernel kills the others in it. */
export async function killInit(client: Client, journal: Journal): Promise<void> {
  const children = fs.readFileSync(`/proc/${client.pid}/task/${client.pid}/children`, 'utf8')
  journal.write({ kind: '!', who: client.name })
  client.mayEnd = true
  process.kill(Number(children.trim()), 'SIGKILL')
  await client.ended()
}
