/** Clients in Podman containers. `npm run test:containers` prepares Podman. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Client } from './client.ts'
import { untilStopped } from './proc.ts'
import { runSystem } from './privileges.ts'
import type { Scene } from './scenario.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const image = process.env['SLOCKET_TEST_CONTAINERS']

/** The reason why there are no containers; false if there are. */
export const skipContainers: string | false = image === undefined && '`npm run test:containers` runs this'

export interface ContainerOptions {
  /** Mounts in the container, besides the scene's directory: by the path, a directory of the host, or the name of a volume. */
  readonly mounts?: Readonly<Record<string, string>>
  /** Further options of `podman run`. */
  readonly parameters?: readonly string[]
  /** Runs in the container instead of the client. The client's command follows as its last arguments. */
  readonly init?: readonly string[]
}

/** For `ContainerOptions.init`: a shell is the container's first process, and the client its child. */
export const SHELL_INIT: readonly string[] = ['bash', '-c', '"$@" <&0 & wait', 'bash']

export interface Container {
  readonly client: Client
  /** Podman's name for it. */
  readonly name: string
  /** The process id of the container's first process on the host. */
  readonly pid: number
}

let namesGiven = 0
const started = new WeakMap<Scene, string[]>()

/** Starts a client in a container, and waits until it obeys commands. The container sees the scene's directory at the same path as the host. */
export async function startContainer(
  scene: Scene,
  who: string,
  { mounts = {}, parameters = [], init = [] }: ContainerOptions = {},
): Promise<Container> {
  const name = newName()
  const pidFile = join(scene.directory, `${name}.pid`)
  const volumes = Object.entries({
    [scene.directory]: scene.directory,
    [ROOT]: `${ROOT}:ro`,
    [process.execPath]: `${process.execPath}:ro`,
  }).map(([from, to]) => `${from}:${to}`)
  for (const [at, from] of Object.entries(mounts)) volumes.push(`${from}:${at}`)
  removeAtEnd(scene, name)
  const client = await scene.spawn(who, {
    wrapper: [
      'podman',
      'run',
      '--interactive',
      `--name=${name}`,
      `--pidfile=${pidFile}`,
      ...volumes.map((volume) => `--volume=${volume}`),
      ...(parameters.some((parameter) => parameter.startsWith('--pod=')) ? [] : ['--network=none']),
      ...parameters,
      image!,
      ...init,
    ],
  })
  return { client, name, pid: Number(readFileSync(pidFile, 'utf8')) }
}

/** Starts several at once. */
export async function startContainers<const Names extends readonly string[]>(
  scene: Scene,
  options: ContainerOptions,
  ...names: Names
): Promise<{ [Name in keyof Names]: Container }> {
  const containers = await Promise.all(names.map((name) => startContainer(scene, name, options)))
  return containers as { [Name in keyof Names]: Container }
}

/** Makes a Podman volume, with options of mount such as `type=tmpfs`, and returns its path on the host. */
export function makeVolume(scene: Scene, ...options: readonly string[]): { volume: string; directory: string } {
  const volume = newName()
  runSystem('podman', 'volume', 'create', ...options.map((option) => `--opt=${option}`), volume)
  scene.onEnd(() => runSystem('podman', 'volume', 'rm', '--force', volume))
  const directory = execFileSync('podman', ['volume', 'inspect', '--format={{.Mountpoint}}', volume], {
    encoding: 'utf8',
  }).trim()
  return { volume, directory }
}

/** Makes a pod, and returns its name. Its infra container, which holds its namespaces, is of the same image. */
export function makePod(scene: Scene, { sharesPids }: { sharesPids: boolean }): string {
  const pod = newName()
  const shared = ['ipc', 'net', 'uts', ...(sharesPids ? ['pid'] : [])]
  const infra = [`--infra-image=${image!}`, '--infra-command=/bin/sleep infinity']
  runSystem('podman', 'pod', 'create', '--name', pod, '--network=none', `--share=${shared.join(',')}`, ...infra)
  scene.onEnd(() => runSystem('podman', 'pod', 'rm', '--force', '--time=0', pod))
  return pod
}

/** Removes all of a scene at once, since each call of Podman takes a while. */
function removeAtEnd(scene: Scene, container: string): void {
  const others = started.get(scene)
  if (others !== undefined) return void others.push(container)
  const all = [container]
  started.set(scene, all)
  scene.onEnd(() => runSystem('podman', 'rm', '--force', '--time=0', '--ignore', ...all))
}

function newName(): string {
  namesGiven += 1
  return `slocket-${process.pid}-${namesGiven}`
}

/** kill -9 of a container's first process, from the host: the kernel kills the others in it. */
export async function killContainer(scene: Scene, { client, pid }: Container): Promise<void> {
  scene.journal.write({ kind: '!', who: client.name })
  client.mayEnd = true
  process.kill(pid, 'SIGKILL')
  await client.ended()
}

/** Stops the container's first process, as `docker kill --signal=STOP` does. */
export async function stopContainer({ pid }: Container): Promise<void> {
  process.kill(pid, 'SIGSTOP')
  await untilStopped(pid)
}
