/** PgBouncer in front of a server of PostgreSQL. */
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { until } from '../../helpers/until.ts'
import { administer } from '../postgres/admin.ts'
import { freeAddress } from './free-address.ts'

const PGBOUNCER = '/usr/sbin/pgbouncer'

/** Why tests of it are skipped, or false. */
export function withoutPgBouncer(): string | false {
  return !fs.existsSync(PGBOUNCER) && 'no PgBouncer'
}

export class Pooler implements AsyncDisposable {
  readonly url: string
  readonly end: () => Promise<void>
  readonly signal: (name: NodeJS.Signals) => void

  private constructor(url: string, end: () => Promise<void>, signal: (name: NodeJS.Signals) => void) {
    this.url = url
    this.end = end
    this.signal = signal
  }

  static async start(url: string, mode: string, size: number): Promise<Pooler> {
    const { hostname, port, username, pathname } = new URL(url)
    const free = await freeAddress()
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-pgbouncer-'))
    const file = path.join(directory, 'pgbouncer.ini')
    const lines = [
      '[databases]',
      `${pathname.slice(1)} = host=${hostname} port=${port} user=${username}`,
      '[pgbouncer]',
      `listen_addr = ${free.host}`,
      `listen_port = ${free.port}`,
      'unix_socket_dir =',
      'auth_type = any',
      `pool_mode = ${mode}`,
      `default_pool_size = ${size}`,
      'max_client_conn = 1000',
      'server_login_retry = 1',
    ]
    fs.writeFileSync(file, `${lines.join('\n')}\n`)
    fs.chmodSync(directory, 0o755)
    const isRoot = process.getuid?.() === 0
    const child = spawn(PGBOUNCER, [...(isRoot ? ['-u', 'postgres'] : []), '-q', file], { stdio: 'ignore' })
    const ended = new Promise((resolve) => child.once('exit', resolve))
    const end = async (): Promise<void> => {
      child.kill('SIGKILL')
      await ended
      fs.rmSync(directory, { recursive: true })
    }
    const own = `postgres://${username}@${free.host}:${free.port}${pathname}`
    await until('PgBouncer answers', () =>
      administer(own, 'SELECT 1').then(
        () => true,
        () => false,
      ),
    )
    return new Pooler(own, end, (name) => child.kill(name))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end()
  }
}
