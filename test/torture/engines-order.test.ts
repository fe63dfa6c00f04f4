/** The torture tests of the engines find requests that are granted out of order, and nothing else. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Wait } from '../../torture/engines/order.ts'
import { orderIn } from '../../torture/engines/order.ts'
import type { Line } from '../engines/helpers/trace.ts'

const MS = 1e6
let handles = 0

/** From when it was asked for, granted, in ms; with its token. */
function request(who: string, askedMs: number, grantedMs: number, token: number, permits: 0 | 1 = 1): Line[] {
  const line = { who, as: `a-${(handles += 1)}`, resource: 'a' }
  return [
    { ...line, at: String(askedMs * MS), event: 'asked' },
    { ...line, at: String(grantedMs * MS), event: 'granted', token: String(token), permits },
  ]
}

function wait(seenMs: number, stillMs: number, isShared = false): Wait {
  return { resource: 'a', isShared, seenAt: seenMs * MS, stillAt: stillMs * MS, what: 'one' }
}

test('a request that is made while another one waits, and is granted before it, is found', () => {
  for (const waits of [[wait(10, 20)], [wait(10, 20, true)]]) {
    const { findings } = orderIn(request('p', 11, 19, 1), waits)
    assert.equal(findings.length, 1)
    assert.match(findings[0]!, /^p a-\d+ \(token 1\) was granted while one waited/)
  }
  assert.equal(orderIn(request('p', 11, 19, 1, 0), [wait(10, 20)]).findings.length, 1)
})

test('a request that was made before the other was seen, is granted later, or can hold beside it is not found', () => {
  const sound: readonly [Line[], Wait][] = [
    [request('p', 9, 19, 1), wait(10, 20)],
    [request('p', 11, 21, 1), wait(10, 20)],
    [request('p', 11, 19, 1, 0), wait(10, 20, true)],
    [request('p', 11, 19, 1), { ...wait(10, 20), resource: 'b' }],
  ]
  for (const [trace, one] of sound) assert.deepEqual(orderIn(trace, [one]).findings, [])
})

test('of one process, a request that was made first and is granted later is found; of two, it is not', () => {
  const first = request('p', 1, 9, 2)
  assert.equal(orderIn([...first, ...request('p', 2, 8, 1)], []).findings.length, 1)
  assert.equal(orderIn([...first, ...request('p', 2, 8, 1, 0)], []).findings.length, 1)
  assert.deepEqual(orderIn([...first, ...request('q', 2, 8, 1)], []).findings, [])
  const sharing = [...request('p', 1, 9, 2, 0), ...request('p', 2, 8, 1, 0)]
  assert.deepEqual(orderIn(sharing, []).findings, [])
})

test('a chance is a request that could have come out of order, in both ways', () => {
  const inOrder = [...request('p', 1, 21, 1), ...request('p', 12, 22, 2)]
  assert.equal(orderIn(inOrder, [wait(10, 20)]).chances, 1)
  assert.equal(orderIn(inOrder, []).chances, 0)
  assert.equal(orderIn(request('p', 12, 22, 2), [wait(10, 20)]).chances, 0)
})
