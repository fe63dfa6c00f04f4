/** More that can be wrong with the second thread of `slocket.sync` than thread.test.ts has. */
import { afterEach, beforeEach, describe, test } from 'node:test'
import type { Lock } from '../../src/index.ts'
import slocket from '../../src/index.ts'
import { makeParent } from '../api/run-child.ts'
import { skipWithoutProc, WITHOUT_PROC } from '../helpers/no-proc.ts'
import { assertBroken } from './thread-program.ts'

let lockPath: string
let dispose: () => void
beforeEach(() => ({ lockPath, dispose } = makeParent()))
afterEach(() => dispose())

/** Bit by bit: Node ends the thread, and not the process, only if little more is asked for than there is. */
const FILL = 'let all; setInterval(() => { for (let i = 0; i < 1e4; i += 1) all = { all } })'

const FULL_ONCE_READY = `export function serve({ port }) { port.postMessage({ kind: 'ready' }); ${FILL}}`

const BROKEN: readonly (readonly [what: string, module: string, message: RegExp])[] = [
  ['whose module throws', `throw new Error('broken')`, /broken/],
  ['that throws when it has begun', `export function serve() { setTimeout(() => { throw new Error('late') }) }`, /./],
  [
    'that runs out of memory, and so says nothing',
    `export function serve() {${FILL}}`,
    // The latter if the machine is so busy that its memory isn't full in time.
    /ended|does not answer/,
  ],
  ['that runs out of memory once it is ready', FULL_ONCE_READY, /ended/],
]

describe('the waiting thread', () => {
  let busy: Lock
  // A lock that is not free needs the thread, also if it can be shared at once.
  beforeEach(async () => void (busy = await slocket(lockPath, { mode: 'shared', linger: 0 })))
  afterEach(() => busy.release())

  for (const [what, module, message] of BROKEN) {
    test(`${what} is an error, not an endless wait`, () => assertBroken(module, message, lockPath))
  }

  test(
    'the end of a thread that runs out of memory is noticed without /proc, as on macOS',
    { skip: skipWithoutProc },
    () => assertBroken(FULL_ONCE_READY, /ended/, lockPath, WITHOUT_PROC),
  )
})
