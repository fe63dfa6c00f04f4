/** `slocket doctor`: tests, in a directory, everything that the local engine relies on. */
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { isBsd } from '../engines/local/platform/bsd.ts'
import { localFileSystem } from '../engines/local/platform/file-system.ts'
import { kernelId, UNKNOWN_KERNEL } from '../engines/local/platform/kernel.ts'
import { probeSocket } from '../engines/local/platform/probe-socket.ts'
import { SocketAddresses } from '../engines/local/platform/socket-addresses.ts'
import { openDirectory } from '../engines/local/platform/open-directory.ts'
import { witness } from '../engines/local/platform/witness.ts'
import { shareOf, tryHeldFile } from '../engines/local/windows/index.ts'
import { canLinkSocket } from '../engines/local/platform/socket-links.ts'
import { systemCode } from '../errors.ts'
import { slocket } from '../index.ts'
import { parseFlags } from './command-line.ts'
import { UsageError } from './exit-status.ts'
import { print } from './output.ts'
import { paint } from './paint.ts'

interface Finding {
  /** `bad`: not safe, or not possible here. `note`: works, with a limitation. `good`: as it should be. */
  readonly kind: 'bad' | 'note' | 'good'
  readonly text: string
  /** What to do about it. */
  readonly advice?: string
}

interface Place {
  /** The directory that the locks would be in. */
  readonly directory: string
  /** A directory inside it for the tests. */
  readonly scratch: string
  /** The file that this command is. */
  readonly program: string
}

type Check = (place: Place) => Finding | Promise<Finding>

const OLDEST_NODE = [20, 19] as const
/** How long it may take to notice the death of a holder, in ms. */
const MOST_TAKEOVER_MS = 10_000
const MANY_NAMES = 500

const CHECKS: Readonly<Record<string, Check>> = {
  'Node version': checkNode,
  kernel: checkKernel,
  'file system': checkFileSystem,
  ticket: checkLinks,
  witness: checkSockets,
  bell: () => good("a connection to the ticket's socket"),
  'path length': checkPath,
  'name order': checkNames,
  permissions: checkPermissions,
  'death of a holder': checkDeath,
}

/** The checks on macOS and the BSDs. */
const CHECKS_ON_BSD: Readonly<Record<string, Check>> = {
  'Node version': checkNode,
  'file system': checkFileSystem,
  ticket: checkLinkToFile,
  witness: checkHeldByLock,
  bell: checkSocketsBeside,
  'path length': checkPath,
  'name order': checkNames,
  permissions: checkPermissions,
  'death of a holder': checkDeath,
}

/** The checks on Windows. */
const CHECKS_ON_WINDOWS: Readonly<Record<string, Check>> = {
  'Node version': checkNode,
  'file system': checkLocalPath,
  ticket: checkTicketFile,
  witness: checkHeldFile,
  bell: checkPipes,
  'name order': checkNames,
  'death of a holder': checkDeath,
}

/** Returns the exit status: 1 if locks would not be safe. */
export async function doctor(parameters: readonly string[], program: string): Promise<number> {
  const { flags, words } = parseFlags(parameters, { json: '' })
  if (words.length > 1) throw new UsageError('one DIRECTORY at a time')
  const directory = path.resolve(words[0] ?? '.')
  const findings: Record<string, Finding> = {}
  const report = (name: string, finding: Finding): void => {
    findings[name] = finding
    if (!flags.has('json')) print(formatFinding(name, finding))
  }
  let scratch: string | undefined
  try {
    scratch = fs.mkdtempSync(path.join(directory, '.slocket-doctor-'))
    for (const [name, check] of Object.entries(checks()))
      report(name, await judge(check, { directory, scratch, program }))
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    report('directory', {
      kind: 'bad',
      text: `cannot create anything in '${directory}' (${systemCode(error)})`,
      advice: 'use a directory that you can write to',
    })
  } finally {
    if (scratch !== undefined) fs.rmSync(scratch, { recursive: true, force: true })
  }
  const isSafe = Object.values(findings).every(({ kind }) => kind !== 'bad')
  if (flags.has('json')) print(`${JSON.stringify({ directory, safe: isSafe, findings }, null, 2)}\n`)
  else
    print(
      isSafe
        ? paint('green', `locks are safe in ${directory}\n`)
        : paint('red', `locks are not safe in ${directory}\n`),
    )
  return isSafe ? 0 : 1
}

function checks(): Readonly<Record<string, Check>> {
  if (process.platform === 'win32') return CHECKS_ON_WINDOWS
  return isBsd ? CHECKS_ON_BSD : CHECKS
}

const COLOURS = { good: 'green', note: 'yellow', bad: 'red' } as const

function formatFinding(name: string, { kind, text, advice }: Finding): string {
  const mark = { good: 'ok  ', note: 'note', bad: 'BAD ' }[kind]
  return `${paint(COLOURS[kind], mark)}  ${name}: ${text}\n${advice === undefined ? '' : `      ${advice}\n`}`
}

async function judge(check: Check, place: Place): Promise<Finding> {
  try {
    return await check(place)
  } catch (error) {
    return { kind: 'bad', text: (error as Error).message }
  }
}

function good(text: string): Finding {
  return { kind: 'good', text }
}

function checkNode(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const isNew = major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])
  const text = `${process.version} on ${process.platform} ${process.arch}`
  if (!isNew) return { kind: 'bad', text, advice: `use Node ${OLDEST_NODE.join('.')} or later` }
  if (process.platform === 'linux') return good(text)
  return {
    kind: 'note',
    text,
    advice: adviceOn(process.platform),
  }
}

function adviceOn(platform: NodeJS.Platform): string {
  if (platform === 'win32') return 'Windows is tested under Wine only'
  return platform === 'darwin' ? 'macOS was only imitated in tests' : 'only Linux is tested'
}

function checkLocalPath({ directory }: Place): Finding {
  const share = shareOf(directory)
  if (share === undefined) return good('on a local disk')
  return { kind: 'bad', text: `'${share}' is on a network share`, advice: 'use a directory on a local disk' }
}

/** Checks files that are open without sharing, as tickets and guards are. */
function checkTicketFile({ scratch }: Place): Finding {
  const { afterwards } = tryHeldFile(path.join(scratch, 'ticket'))
  if (afterwards === 'gone') return good('a file that its owner has open without sharing; it goes when it is closed')
  return bad(`a file that is deleted on close is ${afterwards} afterwards`)
}

function checkHeldFile({ scratch }: Place): Finding {
  const { whileOpen } = tryHeldFile(path.join(scratch, 'held'))
  if (whileOpen === 'open') return good('the kernel opens no such file a second time')
  return bad(`a file that is open without sharing is ${whileOpen}`)
}

function bad(text: string): Finding {
  return { kind: 'bad', text, advice: 'use a directory on another file system, or another version of Node' }
}

function checkLinkToFile({ scratch }: Place): Finding {
  fs.writeFileSync(path.join(scratch, 'file'), '')
  try {
    fs.linkSync(path.join(scratch, 'file'), path.join(scratch, 'link'))
    return good('a hard link to a file that its owner has locked')
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    return bad(`hard links cannot be made (${systemCode(error)})`)
  }
}

/** Checks files that are held by a lock, as tickets are. */
function checkHeldByLock({ scratch }: Place): Finding {
  const directory = openDirectory(scratch)
  try {
    const file = path.join(scratch, 'held')
    const held = witness.hold(directory, 'held')
    const whileHeld = witness.look(file)
    held?.close()
    const afterwards = witness.look(file)
    if (whileHeld === 'alive' && afterwards === 'dead') return good('the lock of that file')
    return bad(`a file that is held by a lock is ${whileHeld}; closed, it is ${afterwards}`)
  } finally {
    directory.close()
  }
}

async function checkPipes(): Promise<Finding> {
  const address = `\\\\.\\pipe\\slocket-doctor-${process.pid}`
  const server = await listen(address)
  const said = await connect(address)
  server.close()
  if (said === 'connected') return good('a named pipe')
  return {
    kind: 'note',
    text: `named pipes say ${said}`,
    advice: 'locks work all the same: waiters check every 50 ms',
  }
}

function checkKernel(): Finding {
  const id = kernelId()
  if (id !== UNKNOWN_KERNEL) return good(`boot id ${id}`)
  return {
    kind: 'note',
    text: 'the boot id is not known',
    advice: 'mount /proc: without it, only their sockets show that tickets are from an earlier boot',
  }
}

function checkFileSystem({ scratch }: Place): Finding {
  return good(`local (${localFileSystem(scratch)?.name ?? 'unknown'})`)
}

async function checkSockets(place: Place): Promise<Finding> {
  return await trySockets(place, 'a connection to that socket: a live one accepts, a dead one refuses')
}

async function checkSocketsBeside(place: Place): Promise<Finding> {
  return await trySockets(place, 'a connection to a socket beside it')
}

async function trySockets({ scratch }: Place, text: string): Promise<Finding> {
  const addresses = new SocketAddresses(scratch)
  try {
    const server = await listen(addresses.of('socket'))
    const alive = await connect(addresses.of('socket'))
    // This imitates what is left of a socket whose process died. Closing a socket removes the name under which it was created, and no other.
    fs.renameSync(path.join(scratch, 'socket'), path.join(scratch, 'left'))
    await new Promise((resolve) => server.close(resolve))
    const dead = await connect(addresses.of('left'))
    if (alive === 'connected' && dead === 'ECONNREFUSED') return good(text)
    return {
      kind: 'bad',
      text: `a listening socket says ${alive}, a dead one ${dead}`,
      advice: 'use a directory on another file system',
    }
  } finally {
    addresses.close()
  }
}

async function listen(address: string): Promise<net.Server> {
  const server = net.createServer().listen({ path: address, exclusive: true })
  await new Promise((resolve, reject) => server.once('listening', resolve).once('error', reject))
  return server
}

async function connect(address: string): Promise<string> {
  const error = await probeSocket(address)
  return error === undefined ? 'connected' : (systemCode(error) ?? String(error))
}

/** Checks links as an acquire does on an unknown file system. */
async function checkLinks({ scratch }: Place): Promise<Finding> {
  const addresses = new SocketAddresses(scratch)
  const server = await listen(addresses.of('linked'))
  try {
    if (await canLinkSocket(scratch, 'linked')) return good('a hard link to a listening socket')
    return {
      kind: 'note',
      text: 'a listening socket of its own',
      advice: 'locks work all the same: hard links cannot be made here, or do not lead to the socket',
    }
  } finally {
    server.close()
    addresses.close()
  }
}

function checkPath({ directory, scratch }: Place): Finding {
  const addresses = new SocketAddresses(scratch)
  try {
    const isShort = addresses.of('x'.repeat(52)).startsWith(scratch)
    return good(`${Buffer.byteLength(directory)} bytes${isShort ? '' : ', reached by a shorter path'}`)
  } finally {
    addresses.close()
  }
}

function checkNames({ scratch }: Place): Finding {
  const directory = path.join(scratch, 'names')
  fs.mkdirSync(directory)
  const names = Array.from({ length: MANY_NAMES }, (_, index) => String(index).padStart(19, '0'))
  for (const name of names.toReversed()) fs.writeFileSync(path.join(directory, name), '')
  const listed = fs.readdirSync(directory).sort()
  if (listed.join() === names.join()) return good('a listing shows every name')
  return {
    kind: 'bad',
    text: `a listing shows ${listed.length} of ${names.length} names`,
    advice: 'use a directory on another file system',
  }
}

function checkPermissions({ directory }: Place): Finding {
  const umask = process.umask()
  const mine = `locks made with umask ${umask.toString(8).padStart(3, '0')} are for ${(umask & 0o020) === 0 ? 'your group' : 'you (and root) alone'}`
  if ((fs.statSync(directory).mode & 0o1002) !== 0o002) return good(mine)
  return {
    kind: 'note',
    text: `every user can remove entries of '${directory}'; ${mine}`,
    advice: `chmod +t '${directory}'`,
  }
}

/** Starts a process that acquires a lock, and kills it while it holds. */
async function checkDeath({ scratch, program }: Place): Promise<Finding> {
  const lock = path.join(scratch, 'lock')
  const command =
    process.platform === 'win32'
      ? [process.execPath, '-e', "console.log('held'); process.stdin.resume()"]
      : ['sh', '-c', 'echo held; exec cat']
  const holder = spawn(process.execPath, [program, 'run', '--close', lock, '--', ...command], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  try {
    await new Promise<void>((resolve, reject) => {
      holder.stdout.once('data', resolve)
      holder.once('exit', (status) => reject(new Error(`a process that should have held a lock ended with ${status}`)))
    })
    if ((await slocket.try(lock, { linger: 0 })) !== null)
      return { kind: 'bad', text: 'two processes held the lock at the same time' }
    const next = slocket(lock, { linger: 0, timeout: MOST_TAKEOVER_MS })
    const from = performance.now()
    holder.kill('SIGKILL')
    const taken = await next
    const ms = (performance.now() - from).toFixed(0)
    await taken.release()
    return taken.recovered
      ? good(`seen after ${ms} ms`)
      : { kind: 'bad', text: `seen after ${ms} ms, but not reported` }
  } finally {
    holder.kill('SIGKILL')
    holder.stdin.end()
  }
}
