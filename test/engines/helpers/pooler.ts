/** PgBouncer in front of a server of PostgreSQL. */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { pass, until } from '../../helpers/until.ts'
import { administer } from '../postgres/admin.ts'
import { freeAddress } from './free-address.ts'

const PGBOUNCER = '/usr/sbin/pgbouncer'

/** Why tests of it are skipped, or false. */
export function withoutPgBouncer(): string | false {
  return !fs.existsSync(PGBOUNCER) && 'no PgBouncer'
}

export class Pooler implements AsyncDisposable {
  readonly url: string
  readonly #file: string
  #child: ChildProcess

  private constructor(url: string, file: string) {
    this.url = url
    this.#file = file
    this.#child = this.#launch()
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
    const pooler = new Pooler(`postgres://${username}@${free.host}:${free.port}${pathname}`, file)
    await pooler.#untilItAnswers()
    return pooler
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  /** Kills it, and starts it again at the same address after that time. */
  async restart(pauseMs: number): Promise<void> {
    await this.#kill()
    await pass(pauseMs)
    this.#child = this.#launch()
    await this.#untilItAnswers()
  }

  async end(): Promise<void> {
    await this.#kill()
    fs.rmSync(path.dirname(this.#file), { recursive: true })
  }

  #launch(): ChildProcess {
    const isRoot = process.getuid?.() === 0
    return spawn(PGBOUNCER, [...(isRoot ? ['-u', 'postgres'] : []), '-q', this.#file], { stdio: 'ignore' })
  }

  async #kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.signal('SIGKILL')
    await ended
  }

  async #untilItAnswers(): Promise<void> {
    await until('PgBouncer answers', () =>
      administer(this.url, 'SELECT 1').then(
        () => true,
        () => false,
      ),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end()
  }
}
