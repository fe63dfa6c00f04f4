// Waiters on connections that can't be used for a query. The session that checks them, and the clock, are the test's.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EXCLUSIVE } from '../../src/core/claim.ts'
import type { Control } from '../../src/engines/postgres/control.ts'
import { parsePostgresOptions } from '../../src/engines/postgres/options.ts'
import type { Request } from '../../src/engines/postgres/request.ts'
import type { Session } from '../../src/engines/postgres/session.ts'
import { Watch } from '../../src/engines/postgres/watch.ts'
import { SlocketError } from '../../src/index.ts'
import { until } from '../helpers/until.ts'

const waiter = { asked: { wait: true, claim: EXCLUSIVE } } as Request

class Scene {
  readonly looks: { answer: (pids: readonly number[]) => void; fail: (code?: string) => void }[] = []
  readonly ended: number[] = []
  nowMs = 0
  readonly watch: Watch

  constructor() {
    const run = async (): Promise<unknown> =>
      await new Promise((resolve, reject) => {
        this.looks.push({
          answer: (pids) => resolve(pids.map((pid) => ({ pid: String(pid) }))),
          fail: (code) => {
            const cause = code === undefined ? undefined : Object.assign(new Error('failed'), { code })
            reject(new SlocketError('ERR_SLOCKET_UNREACHABLE', 'no answer', { cause }))
          },
        })
      })
    const settings = parsePostgresOptions({ heartbeat: 200 })
    this.watch = new Watch({ run } as unknown as Control, settings, () => this.nowMs)
  }

  wait(pid: number): () => void {
    const session = { pid, end: () => this.ended.push(pid), touch: () => undefined } as unknown as Session
    return this.watch.add(session, waiter)
  }

  async look(index: number): Promise<Scene['looks'][number]> {
    return await until('it looks', () => this.looks[index])
  }
}

test('two failed checks end the waiters, except one that was granted meanwhile', async () => {
  const scene = new Scene()
  const [first, second] = [scene.wait(1), scene.wait(2)]
  ;(await scene.look(0)).fail()
  const look = await scene.look(1)
  first()
  look.fail()
  await until('the one that waits is ended', () => scene.ended.length > 0)
  assert.deepEqual(scene.ended, [2])
  second()
})

test("a waiter that is no longer in the server's queue, and gets no answer, is ended; others are not", async () => {
  const scene = new Scene()
  const stop = [1, 2, 3].map((pid) => scene.wait(pid))
  ;(await scene.look(0)).answer([1])
  const look = await scene.look(1)
  look.answer([1])
  scene.nowMs += 501
  const late = await scene.look(2)
  stop[2]!()
  late.answer([1])
  await until('it is ended', () => scene.ended.length > 0)
  assert.deepEqual(scene.ended, [2])
  for (const one of stop) one()
})

for (const [what, code] of [
  ['the server answers that it is about to shut down', '57P03'],
  ["no host's name can be looked up", 'EAI_AGAIN'],
  ['this process has no descriptor left', 'EMFILE'],
] as const) {
  test(`checks that fail since ${what} end nobody; two without an answer do`, async () => {
    const scene = new Scene()
    const stop = scene.wait(1)
    for (const index of [0, 1, 2]) (await scene.look(index)).fail(code)
    await scene.look(3)
    assert.deepEqual(scene.ended, [])
    for (const index of [3, 4]) (await scene.look(index)).fail('ECONNREFUSED')
    await until('it is ended', () => scene.ended.length > 0)
    stop()
  })
}
