// A project of a user, in a directory of its own: slocket from the tarball, and the packages that it asks for, in its node_modules.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const HOME = fileURLToPath(new URL('.', import.meta.url))
/** What a program that never ends is stopped after. */
export const TIME_LIMIT_MS = 180_000

/** What the engines of servers need. */
export const PEERS = ['@grpc/grpc-js', '@grpc/proto-loader', 'pg']

/** What programs/body.js returns. */
export const EXPECTED = {
  asked: [true, null],
  with: true,
  sync: [true, null],
  locks: true,
  dropIn: [true, 'ELOCKED'],
  etcd: 'ERR_SLOCKET_UNREACHABLE',
  postgres: 'ERR_SLOCKET_UNREACHABLE',
}
/** The same if PEERS are not installed. */
export const EXPECTED_WITHOUT_PEERS = {
  ...EXPECTED,
  etcd: 'ERR_SLOCKET_NO_CLIENT',
  postgres: 'ERR_SLOCKET_NO_CLIENT',
}

export class Project {
  /** @param directory is made, and has nothing but projects and what is made of them in it. @param packages are to be linked. @param slocket is where it is installed. */
  static async create(directory, { manifest = {}, packages = PEERS, slocket } = {}) {
    const project = new Project(join(directory, 'project'))
    await mkdir(project.locks, { recursive: true })
    await mkdir(project.path('runtime'), { mode: 0o700 })
    await project.write('package.json', JSON.stringify({ name: 'project', private: true, ...manifest }))
    if (slocket !== undefined) await cp(slocket, project.path('node_modules/slocket'), { recursive: true })
    for (const name of packages) await project.link(name)
    return project
  }

  constructor(directory) {
    this.directory = directory
    this.locks = join(directory, 'locks')
  }

  path(file) {
    return join(this.directory, file)
  }

  /** A directory of its own where no packages are found. */
  async makeBeside(name) {
    const directory = join(dirname(this.directory), name)
    await mkdir(directory)
    return directory
  }

  async write(file, text) {
    await mkdir(dirname(this.path(file)), { recursive: true })
    await writeFile(this.path(file), text)
  }

  /** Makes a file of those in programs/: what they contain, one after the other. */
  async writeProgram(file, ...parts) {
    const texts = await Promise.all(parts.map((part) => readFile(join(HOME, 'programs', part), 'utf8')))
    await this.write(file, texts.join('\n'))
  }

  /** Installs a package of tools/, under another name if `as` is given. */
  async link(name, as = name) {
    const path = this.path(join('node_modules', as))
    await mkdir(dirname(path), { recursive: true })
    await symlink(directoryOf(name), path)
  }

  /** Runs a program to its end. Rejects, with what it printed, unless its exit status is 0. */
  async run(program, parameters, { env = {}, cwd = this.directory } = {}) {
    return await new Promise((resolve, reject) => {
      const options = { cwd, env: this.environment(env), timeout: TIME_LIMIT_MS, killSignal: 'SIGKILL' }
      execFile(program, parameters, options, (error, stdout, stderr) => {
        if (error === null) return resolve({ stdout, stderr })
        const { code, signal } = error
        const what = [program, ...parameters].join(' ')
        reject(new Error(`${what}\nended with ${code ?? signal}\n${stdout}\n${stderr}`))
      })
    })
  }

  environment(more = {}) {
    const { NODE_OPTIONS: _options, NODE_TEST_CONTEXT: _context, ...env } = process.env
    const own = { LOCKS: this.locks, XDG_RUNTIME_DIR: this.path('runtime'), EXPECTED: JSON.stringify(EXPECTED) }
    return { ...env, CI: 'true', NO_COLOR: '1', NODE_NO_WARNINGS: '0', ...own, ...more }
  }

  async node(...parameters) {
    return await this.run(process.execPath, parameters)
  }

  /** Runs what is made of a body and print.js, and looks at what it prints, and at what it leaves. */
  async check(program, parameters, { expected = EXPECTED, ...options } = {}) {
    const { stdout, stderr } = await this.run(program, parameters, options)
    assert.deepEqual(JSON.parse(stdout), expected, stderr)
    await this.checkNothingLeft()
  }

  async checkNode(...parameters) {
    await this.check(process.execPath, parameters)
  }

  async checkNothingLeft() {
    assert.deepEqual(await readdir(this.locks), [])
  }
}

export function directoryOf(name) {
  return join(HOME, 'node_modules', name)
}

/** The file that a command of a tool is. */
export function commandOf(name, command = name.split('/').at(-1)) {
  const { bin } = JSON.parse(readFileSync(join(directoryOf(name), 'package.json'), 'utf8'))
  return join(directoryOf(name), typeof bin === 'string' ? bin : bin[command])
}
