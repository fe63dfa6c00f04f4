/** The servers that `npm run test:engines` has started, and others that a test starts for itself, in order to break them. */
import { execFile, spawn } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { isRunning } from '../../helpers/command.ts'
import { isStopped } from '../../helpers/proc.ts'
import { until } from '../../helpers/until.ts'

const ENGINES: string = fileURLToPath(new URL('../../../../scripts/engines.sh', import.meta.url))

/** What scripts/engines.sh can start: one etcd, three that are one cluster, … */
export type Server =
  | 'etcd'
  | 'cluster'
  | 'secure'
  | 'postgres'
  | 'redis'
  | 'redis-aof'
  | 'redis-pair'
  | 'redis-sentinel'
  | 'redis-cluster'
  | 'redis-secure'

const VARIABLES = {
  etcd: 'SLOCKET_ETCD',
  cluster: 'SLOCKET_ETCD_CLUSTER',
  secure: 'SLOCKET_ETCD_SECURE',
  postgres: 'SLOCKET_POSTGRES',
  redis: 'SLOCKET_REDIS',
  'redis-aof': 'SLOCKET_REDIS_AOF',
  'redis-pair': 'SLOCKET_REDIS_PAIR',
  'redis-sentinel': 'SLOCKET_REDIS_SENTINEL',
  'redis-cluster': 'SLOCKET_REDIS_CLUSTER',
  'redis-secure': 'SLOCKET_REDIS_SECURE',
} as const

/** The address of a server that all tests share: nobody may break it. Of the cluster, three with commas between them. */
export function addressOf(server: Server): string {
  const address = process.env[VARIABLES[server]]
  if (address === undefined) throw new Error(`${VARIABLES[server]} is not set: npm run test:engines starts the servers`)
  return address
}

/** Servers of a test's own, in a directory of their own. They end with `close`, and with this process. */
export class Servers {
  readonly directory: string
  readonly #addresses: ReadonlyMap<string, string>

  private constructor(output: string) {
    this.#addresses = new Map([...output.matchAll(/^export (\w+)=(.*)$/gm)].map(([, name, value]) => [name!, value!]))
    this.directory = this.#addresses.get('SLOCKET_ENGINES')!
  }

  static async start(...servers: readonly Server[]): Promise<Servers> {
    const { stdout } = await promisify(execFile)('bash', [
      ENGINES,
      'up',
      '--only',
      servers.join(','),
      '--owner',
      String(process.pid),
    ])
    return new Servers(stdout)
  }

  addressOf(server: Server): string {
    const address = this.#addresses.get(VARIABLES[server])
    if (address === undefined) throw new Error(`no ${server} was started`)
    return address
  }

  /** @param node `etcd`, `cluster-1` to `cluster-3`, `postgres` (its first process), `redis`, `redis-aof`, `redis-master`, `redis-replica`, `redis-watched-1`, `redis-watched-2`, `sentinel-1` to `sentinel-3`, `redis-1` to `redis-3`, `redis-secure`. */
  pidOf(node: string): number {
    return Number(fs.readFileSync(join(this.directory, `${node}.pid`), 'utf8'))
  }

  /** After SIGKILL, it has ended; after SIGSTOP, it does nothing more. */
  async signal(node: string, signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT' | 'SIGTERM' | 'SIGINT'): Promise<void> {
    const pid = this.pidOf(node)
    process.kill(pid, signal)
    if (signal === 'SIGKILL') await until(`${node} has ended`, () => !isRunning(pid))
    if (signal === 'SIGSTOP') await until(`${node} is stopped`, () => !isRunning(pid) || isStopped(pid))
  }

  /** Starts one again that has ended, with its data. It need not be healthy yet. */
  async restart(node: string): Promise<void> {
    await promisify(execFile)('bash', [ENGINES, 'start', this.directory, node])
  }

  async close(): Promise<void> {
    await promisify(execFile)('bash', [ENGINES, 'down', this.directory])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** Starts the script as it is, to be looked at, or killed. */
export function spawnEngines(...parameters: readonly string[]): ReturnType<typeof spawn> {
  return spawn('bash', [ENGINES, ...parameters], { stdio: ['ignore', 'pipe', 'pipe'] })
}
