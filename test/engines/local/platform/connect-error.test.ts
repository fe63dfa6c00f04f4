/** What becomes of the errors of Bun, in a Node that says that it is Bun, with a kernel that says what the test wants. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

const CONNECT_ERROR = new URL('../../../../src/engines/local/platform/connect-error.js', import.meta.url).href

interface Answers {
  /** What the runtime said; ECONNREFUSED unless given. */
  readonly said?: string
  /** What `socket` and `connect` set errno to; 0: they succeed. */
  readonly socket?: number
  readonly connect?: number
  /** Why there is no `bun:ffi`; undefined: there is. */
  readonly lacks?: 'module' | 'libc'
}

interface Outcome {
  readonly code: string
  readonly isSame: boolean
  readonly tellsRefusals: boolean
  readonly connectedTo: readonly string[]
  readonly open: number
}

test('in Bun, a refusal due to a full backlog is EAGAIN', () => {
  assert.deepEqual(ask({ connect: 11 }), exact('EAGAIN'))
})

test('so is what other versions of Bun report as ENOENT', () => {
  assert.deepEqual(ask({ said: 'ENOENT', connect: 11 }), exact('EAGAIN'))
})

test('a refusal that the kernel confirms stays a refusal', () => {
  assert.deepEqual(ask({ connect: 111 }), { ...exact('ECONNREFUSED'), isSame: true })
})

test("a name that is gone by now, or another user's, is reported as the kernel reports it", () => {
  assert.deepEqual(ask({ connect: 2 }), exact('ENOENT'))
  assert.deepEqual(ask({ connect: 13 }), exact('EACCES'))
})

test('a socket that accepts connections by now is alive, and the connection is closed', () => {
  assert.deepEqual(ask({ connect: 0 }), exact('EAGAIN'))
})

test('without a descriptor for the check, nothing is known about the socket', () => {
  assert.deepEqual(ask({ socket: 24 }), { ...exact('EMFILE'), connectedTo: [] })
})

test('errors that Bun reports exactly are not checked again', () => {
  assert.deepEqual(ask({ said: 'EMFILE' }), { ...exact('EMFILE'), isSame: true, connectedTo: [] })
})

test('without bun:ffi, or if it cannot call libc, a refusal proves nothing', () => {
  const vague = { code: 'ECONNREFUSED', isSame: true, tellsRefusals: false, connectedTo: [], open: 0 }
  assert.deepEqual(ask({ lacks: 'module' }), vague)
  assert.deepEqual(ask({ lacks: 'libc' }), vague)
})

test('Node reports errors exactly', async () => {
  const { tellsRefusals, toConnectError } = await import(CONNECT_ERROR)
  const error = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
  assert.equal(toConnectError('/nowhere', error), error)
  assert.equal(tellsRefusals(), true)
})

function exact(code: string): Outcome {
  return { code, isSame: false, tellsRefusals: true, connectedTo: ['/some/söcket'], open: 0 }
}

/** What is made of one error, and what was done for it. */
function ask({ said = 'ECONNREFUSED', socket = 0, connect = 0, lacks }: Answers): unknown {
  const code = `
    Object.defineProperty(process, 'versions', { value: { ...process.versions, bun: '1.4.5' } })
    const answers = ${JSON.stringify({ socket, connect, lacks })}
    const connectedTo = []
    let errno = 0
    let open = 0
    const answer = (to, result) => ((errno = to), to === 0 ? result : -1)
    const symbols = {
      socket: (domain, type, protocol) => {
        if (domain !== 1 || type !== 0o2004001 || protocol !== 0) throw new Error('not a Unix socket that never blocks')
        if (answers.socket === 0) open += 1
        return answer(answers.socket, 7)
      },
      connect: (descriptor, address, length) => {
        if (descriptor !== 7 || length !== address.length || address.readUInt16LE(0) !== 1) throw new Error('no address')
        connectedTo.push(address.toString('utf8', 2).replace(/\\0+$/, ''))
        return answer(answers.connect, 0)
      },
      close: () => {
        open -= 1
        // It may set errno as well.
        errno = 9
        return 0
      },
      __errno_location: () => 4096,
    }
    const ffi = {
      dlopen: (name) => {
        if (answers.lacks === 'libc' || name !== 'libc.so.6') throw new Error('cannot open ' + name)
        return { symbols }
      },
      read: { i32: (address, offset) => (address === 4096 && offset === 0 ? errno : 0) },
    }
    const { getBuiltinModule } = process
    process.getBuiltinModule = (name) =>
      name !== 'bun:ffi' ? getBuiltinModule(name) : answers.lacks === 'module' ? undefined : ffi
    const { toConnectError, tellsRefusals } = await import(${JSON.stringify(CONNECT_ERROR)})
    const error = Object.assign(new Error('of Bun'), { code: ${JSON.stringify(said)} })
    const exact = toConnectError('/some/söcket', error)
    const isSame = exact === error
    console.log(JSON.stringify({ code: exact.code, isSame, tellsRefusals: tellsRefusals(), connectedTo, open }))`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' })
  assert.equal(stderr, '')
  return JSON.parse(stdout)
}
