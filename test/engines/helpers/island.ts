/**
 * A client in a network namespace of its own, that can be cut off from all servers: packets are dropped silently. The
 * namespace has no name: it ends with this process, however that ends, and so does all that was made for it.
 */
import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import fs from 'node:fs'
import { reasonNotRoot, reasonWithout } from '../../helpers/privileges.ts'
import { until } from '../../helpers/until.ts'
import type { Arena } from './arena.ts'
import type { Client, EngineSpec } from './client.ts'
import { TcpProxy } from './tcp-proxy.ts'

export function reasonWithoutIslands(): string | false {
  return (
    reasonNotRoot() ||
    reasonWithout('unshare', '-n', 'true') ||
    reasonWithout('nft', '--version') ||
    reasonWithout('ip', '-V')
  )
}

export class Island implements AsyncDisposable {
  readonly client: Client
  readonly #keeper: ChildProcess

  private constructor(keeper: ChildProcess, client: Client) {
    this.#keeper = keeper
    this.client = client
  }

  /**
   * @param targets are reached by proxies.
   * @param engineOf says which engine the client opens, by the addresses (`host:port`) at which it reaches `targets`, and the address of this side.
   */
  static async open(
    arena: Arena,
    name: string,
    targets: readonly string[],
    engineOf: (addresses: readonly string[], here: string) => EngineSpec,
  ): Promise<Island> {
    // Its input ends with this process, and so does it.
    const keeper = spawn('unshare', ['-n', 'sh', '-c', 'read -r line'], { stdio: ['pipe', 'ignore', 'ignore'] })
    const namespace = await namespaceOf(keeper)
    const net = `10.${randomInt(128, 256)}.${randomInt(256)}`
    const link = `slk${keeper.pid}`
    run('ip', 'link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(keeper.pid))
    run('ip', 'addr', 'add', `${net}.1/30`, 'dev', link)
    run('ip', 'link', 'set', link, 'up')
    run(...namespace, 'ip', 'addr', 'add', `${net}.2/30`, 'dev', 'eth0')
    run(...namespace, 'ip', 'link', 'set', 'eth0', 'up')
    const proxies = await Promise.all(targets.map(async (target) => await TcpProxy.open(target, `${net}.1`)))
    for (const proxy of proxies) arena.use(proxy)
    const client = arena.start(
      name,
      engineOf(
        proxies.map(({ address }) => address),
        `${net}.1`,
      ),
      { wrapper: namespace },
    )
    return arena.use(new Island(keeper, client))
  }

  /** From now on nothing gets in or out, or nothing gets in. */
  cutOff(directions: readonly ('input' | 'output')[] = ['input', 'output']): void {
    const chain = (hook: string): string => `chain ${hook} { type filter hook ${hook} priority 0; policy drop; }`
    run(
      'nsenter',
      '-t',
      String(this.#keeper.pid),
      '-n',
      'nft',
      `table inet cut { ${directions.map(chain).join('; ')}; }`,
    )
  }

  reconnect(): void {
    run('nsenter', '-t', String(this.#keeper.pid), '-n', 'nft', 'delete table inet cut')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#keeper, 'exit')
    this.#keeper.kill('SIGKILL')
    await ended
  }
}

/** What runs a command in it, once it is there. */
async function namespaceOf({ pid }: ChildProcess): Promise<[string, ...string[]]> {
  const namespaceIn = (process: string): string => fs.readlinkSync(`/proc/${process}/ns/net`)
  await until('the namespace is there', () => namespaceIn(String(pid)) !== namespaceIn('self'))
  return ['nsenter', '-t', String(pid), '-n']
}

function run(command: string, ...parameters: readonly string[]): void {
  execFileSync(command, parameters, { stdio: ['ignore', 'ignore', 'pipe'] })
}
