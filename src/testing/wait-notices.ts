/** Wait notices, which the API implements: it asks the engine who holds and who waits. */
import assert from 'node:assert/strict'
import { slocket } from '../index.ts'
import type { WaitNotice } from '../lock-state.ts'
import { eventually } from './scene.ts'
import type { Suite } from './suite.ts'

export function testWaitNotices(suite: Suite): void {
  suite.test('a waiting call reports who holds, and how many wait ahead, until it holds itself', [], async (scene) => {
    const [a, b, c] = await scene.clients(3)
    const first = await slocket(scene.resource, { ...scene.options(a!), label: 'the holder' })
    const ahead = await scene.queueUp(b!, ['ahead'])
    const notices: WaitNotice[] = []
    const seen = (): unknown[] => notices.map((notice) => [notice.held.map(({ label }) => label), notice.ahead])
    const onWait = (notice: WaitNotice): void => void notices.push(notice)
    const waiting = slocket(scene.resource, { ...scene.options(c!), label: 'waiting', onWait, waitNoticeAfter: 0 })
    await eventually(async () => assert.deepEqual(seen().at(-1), [['the holder'], 1]))
    await first.release()
    const second = await ahead.granted()
    await eventually(async () => assert.deepEqual(seen().at(-1), [['ahead'], 0]))
    await second.release()
    await (await waiting).release()
  })
}
