// slocket.lead(): runs a body while this process is the leader.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { AcquireRequest, Engine, Grant, Lock } from '../../src/index.ts'
import { local, LockManager, memory, MemoryStore, slocket, SlocketError } from '../../src/index.ts'
import { programPath } from '../helpers/built.ts'
import { until } from '../helpers/until.ts'
import { NO_REMOVAL } from '../helpers/windows.ts'
import { makeParent } from './run-child.ts'

const { lockPath, dispose } = makeParent()
const before = process.cwd()
after(() => {
  process.chdir(before)
  dispose()
})

const notCalled = (): void => assert.fail('must not be called')
const engines: Readonly<Record<string, () => Engine>> = { local, memory: () => memory() }

/** Takes the lock away from its holder. */
async function steal(engine: Engine, name = lockPath): Promise<void> {
  await new LockManager({ engine }).request(name, { steal: true }, () => {})
}

/** Resolves when the signal has aborted. Keeps the process alive: holding doesn't. */
async function aborted(signal: AbortSignal): Promise<void> {
  await until('the signal aborts', () => signal.aborted)
}

for (const [name, open] of Object.entries(engines)) {
  describe(`slocket.lead: ${name}`, () => {
    const engine = open()
    const options = { engine, linger: 0 }

    test('runs the body under the lock, resolves with its result, and releases the lock', async () => {
      let kept: Lock | undefined
      const result = await slocket.lead(lockPath, options, async (lock, signal) => {
        kept = lock
        assert.deepEqual([lock.name, lock.mode, lock.held, signal.aborted], [lockPath, 'exclusive', true, false])
        assert.equal(await slocket.try(lockPath, options), null)
        return 'done'
      })
      assert.equal(result, 'done')
      assert.equal(kept?.held, false)
      assert.deepEqual(await slocket.query(lockPath, { engine }), { held: [], pending: [] })
    })

    test('callers lead one at a time, in the order of their calls', async () => {
      const steps: string[] = []
      await Promise.all(
        ['a', 'b', 'c'].map((candidate) =>
          slocket.lead(lockPath, options, async () => {
            steps.push(`${candidate} in`)
            await new Promise<void>((resolve) => setImmediate(resolve))
            steps.push(`${candidate} out`)
          }),
        ),
      )
      assert.deepEqual(steps, ['a in', 'a out', 'b in', 'b out', 'c in', 'c out'])
    })

    test('rejects with the error of the body, and releases the lock', async () => {
      for (const failure of [new Error('mine'), undefined]) {
        const failing = slocket.lead(lockPath, options, () => {
          throw failure
        })
        await assert.rejects(failing, (error) => error === failure)
        await (await slocket.try(lockPath, options))!.release()
      }
    })

    test('an abort ends the wait with its reason', async () => {
      const holder = await slocket(lockPath, options)
      const controller = new AbortController()
      const reason = new Error('mine')
      const waiting = slocket.lead(lockPath, { ...options, signal: controller.signal }, notCalled)
      const rejected = assert.rejects(waiting, (error) => error === reason)
      await until('it waits', async () => (await slocket.query(lockPath, { engine })).pending.length === 1)
      controller.abort(reason)
      await rejected
      assert.deepEqual((await slocket.query(lockPath, { engine })).pending, [])
      await holder.release()
      await assert.rejects(
        slocket.lead(lockPath, { ...options, signal: AbortSignal.abort(reason) }, notCalled),
        (error) => error === reason,
      )
    })

    test('an abort signals the body, which leads until it ends; its result counts', async () => {
      const controller = new AbortController()
      const reason = new Error('mine')
      const result = await slocket.lead(lockPath, { ...options, signal: controller.signal }, async (lock, signal) => {
        controller.abort(reason)
        assert.equal(signal.reason, reason)
        assert.deepEqual([lock.held, lock.signal.aborted], [true, false])
        assert.equal(await slocket.try(lockPath, options), null)
        return 'done'
      })
      assert.equal(result, 'done')
    })

    test('a call from a body that holds the lock is a deadlock', async () => {
      const DEADLOCK = { code: 'ERR_SLOCKET_DEADLOCK' }
      await slocket.with(lockPath, options, () => assert.rejects(slocket.lead(lockPath, options, notCalled), DEADLOCK))
      await slocket.lead(lockPath, options, () =>
        assert.rejects(slocket.with(lockPath, { ...options, timeout: 60_000 }, notCalled), DEADLOCK),
      )
    })
  })
}

describe('slocket.lead, if the lock is lost', () => {
  for (const [ends, end] of Object.entries<() => string>({
    returns: () => 'late',
    throws: (): string => {
      throw new Error('late')
    },
  })) {
    test(`waits for the body to end, and leads again: it ${ends}`, async () => {
      const store = new MemoryStore()
      const engine = memory(store)
      let running = 0
      const terms: bigint[] = []
      const result = await slocket.lead(lockPath, { engine }, async (lock, signal) => {
        running += 1
        assert.equal(running, 1)
        terms.push(lock.token)
        if (terms.length === 3) return 'done'
        await steal(memory(store))
        await aborted(signal)
        assert.equal(signal.reason, lock.signal.reason)
        assert.equal(lock.held, false)
        // The next term is not granted while this body runs.
        assert.deepEqual(await slocket.query(lockPath, { engine }), { held: [], pending: [] })
        running -= 1
        return end()
      })
      assert.equal(result, 'done')
      assert.equal(terms.length, 3)
      assert.deepEqual(
        terms.toSorted((a, b) => (a < b ? -1 : 1)),
        terms,
      )
    })
  }

  test(
    'leads again after the directory was removed, with the path resolved at the call',
    { skip: NO_REMOVAL },
    async () => {
      process.chdir(path.dirname(lockPath))
      let terms = 0
      const leading = slocket.lead('lock', { linger: 0 }, async (lock, signal) => {
        terms += 1
        assert.equal(lock.name, 'lock')
        assert.ok(fs.existsSync(lockPath))
        if (terms === 2) return
        fs.rmSync(lockPath, { recursive: true })
        await aborted(signal)
      })
      process.chdir('/')
      await leading
      assert.equal(terms, 2)
    },
  )

  test('rejects with the reason if the signal has aborted', async () => {
    const engine = memory()
    const controller = new AbortController()
    const reason = new Error('mine')
    let terms = 0
    const leading = slocket.lead(lockPath, { engine, signal: controller.signal }, async () => {
      terms += 1
      await steal(engine)
      controller.abort(reason)
    })
    await assert.rejects(leading, (error) => error === reason)
    assert.equal(terms, 1)
  })

  test('rejects at once if the signal aborts before the next campaign', async () => {
    const engine = memory()
    const controller = new AbortController()
    const leading = slocket.lead(lockPath, { engine, signal: controller.signal }, () => steal(engine))
    // After the term, and within the pause.
    await until('the term is over', async () => (await slocket.query(lockPath, { engine })).held.length === 0)
    controller.abort()
    await assert.rejects(leading, { name: 'AbortError' })
  })
})

describe('slocket.lead, if no server can be reached', () => {
  const inner = memory()
  const unreachable = new SlocketError('ERR_SLOCKET_UNREACHABLE', 'nobody answers')

  /** An engine whose requests fail as `fail` says, by their number. */
  function failing(fail: (count: number, request: AcquireRequest) => Promise<void> | void): Engine {
    let count = 0
    return {
      ...inner,
      async acquire(resource, request): Promise<Grant | null> {
        count += 1
        await fail(count, request)
        return await inner.acquire(resource, request)
      },
    }
  }

  test('rejects before it has a place in the queue', async () => {
    for (const isQueued of [false, true]) {
      const engine = failing((_count, request) => {
        // As in requests.ts: a rejected request has its place right before.
        if (isQueued) request.onQueued?.()
        throw unreachable
      })
      await assert.rejects(slocket.lead('lock', { engine }, notCalled), (error) => error === unreachable)
    }
  })

  test('retries after it had a place in the queue', async () => {
    let most = 0
    const engine = failing(async (count, request) => {
      most = count
      if (count > 2) return
      if (count === 1) request.onQueued?.()
      for (let turns = 0; turns < 3; turns += 1) await new Promise<void>((resolve) => setImmediate(resolve))
      throw unreachable
    })
    assert.equal(await slocket.lead('lock', { engine }, () => 'done'), 'done')
    assert.equal(most, 3)
  })

  test('retries after a term', async () => {
    // It doesn't tell that a request has its place in the queue.
    const silent = failing((count) => {
      if (count === 2) throw unreachable
    })
    const engine: Engine = {
      ...silent,
      acquire: (resource, request) => silent.acquire(resource, { ...request, onQueued: undefined }),
    }
    let terms = 0
    const leading = slocket.lead('lock', { engine }, async () => {
      terms += 1
      if (terms === 1) await steal(inner, 'lock')
    })
    await leading
    assert.equal(terms, 2)
  })

  test('any other failure ends it, also after a term', async () => {
    const other = new SlocketError('ERR_SLOCKET_PERMISSION', 'no')
    const engine = failing((count) => {
      if (count === 2) throw other
    })
    await assert.rejects(
      slocket.lead('lock', { engine }, () => steal(inner, 'lock')),
      (error) => error === other,
    )
  })

  test('an error of the body ends it, even with that code', async () => {
    const leading = slocket.lead('lock', { engine: inner }, () => Promise.reject(unreachable))
    await assert.rejects(leading, (error) => error === unreachable)
  })
})

test('slocket.lead checks its arguments', async () => {
  const engine = memory()
  const asAny = slocket.lead as unknown as (...given: unknown[]) => Promise<unknown>
  await assert.rejects(asAny('', { engine }, notCalled), { name: 'TypeError', message: /path must not be empty/ })
  await assert.rejects(asAny('lock', { engine }), { name: 'TypeError', message: /must be a function/ })
  for (const [option, value] of Object.entries({
    timeout: 5,
    mode: 'shared',
    permits: 2,
    take: 2,
    slice: 1,
    atLeast: 1,
  })) {
    await assert.rejects(asAny('lock', { engine, [option]: value }, notCalled), {
      name: 'TypeError',
      message: new RegExp(`^unknown option '${option}' of slocket\\.lead\\(\\): (the leader is alone|it )`),
    })
  }
  assert.equal(await asAny(lockPath, undefined, () => 1), 1)
})

test('when the leader is killed, another process leads', async () => {
  const program = `
    import slocket from ${JSON.stringify(pathToFileURL(programPath('src/index.js')).href)}
    setInterval(() => {}, 1000)
    await slocket.lead(process.argv[1], () => {
      console.log('leads')
      return new Promise(() => {})
    })`
  const start = (): { readonly child: ReturnType<typeof spawn>; readonly leads: () => boolean } => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program, lockPath], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let said = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text))
    return { child, leads: () => said === 'leads\n' }
  }
  const first = start()
  await until('the first one leads', first.leads)
  const second = start()
  await until('the second one waits', async () => (await slocket.query(lockPath)).pending.length === 1)
  assert.equal(second.leads(), false)
  first.child.kill('SIGKILL')
  await until('the second one leads', second.leads)
  second.child.kill('SIGKILL')
})
