import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { slocket } from '../../src/index.ts'
import { until } from '../helpers/until.ts'
import { node, placeExample } from './folder.ts'

describe('the example of a leader', () => {
  const place = placeExample('leader')
  const lockPath = place.path('leader.lock')
  after(() => place.close())

  test('one process leads; if it is killed, the next one continues to count; on SIGTERM both a leader and a candidate end', async () => {
    const first = place.start(node('leader.mjs'))
    await first.says(/ leads\n1\n/)
    const second = place.start(node('leader.mjs'))
    const third = place.start(node('leader.mjs'))
    await until('both wait', async () => (await slocket.query(lockPath)).pending.length === 2)
    assert.doesNotMatch(second.stdout + third.stdout, / leads\n/)

    const [ahead] = (await slocket.query(lockPath)).pending
    const [leader, candidate] = ahead?.pid === second.pid ? [second, third] : [third, second]
    first.kill('SIGKILL')
    await first.ended()
    // It may have been killed between its write and its line about it.
    const counted = Number(first.stdout.trim().split('\n').at(-1))
    const [, next] = await leader.says(/ leads\n(\d+)\n/)
    assert.ok([counted + 1, counted + 2].includes(Number(next)), `${counted} was followed by ${next}`)

    candidate.kill('SIGTERM')
    const stopped = await candidate.ended()
    assert.deepEqual([stopped.status, stopped.stderr], [0, ''])
    leader.kill('SIGTERM')
    const ended = await leader.ended()
    assert.deepEqual([ended.status, ended.stderr], [0, ''])
    assert.match(ended.stdout, /no longer leads\n$/)
    assert.deepEqual(await slocket.query(lockPath), { held: [], pending: [] })
  })
})
