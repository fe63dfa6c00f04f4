/** The checker of the torture tests finds violations, and reports nothing else. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { check } from '../../torture/checker/index.ts'
import { DIRECTOR } from '../../torture/trace/event.ts'
import { Traces } from './traces.ts'

const SHARED = { claim: 'shared' } as const
const PERMIT = { claim: 'permits:2' } as const
const THREE_OF_FIVE = { claim: 'permits:5/3' } as const

function finds(rule: string, traces: Traces): void {
  assert.deepEqual([...new Set(check(traces.events).map((finding) => finding.rule))], [rule])
}

function isSound(traces: Traces): void {
  assert.deepEqual(check(traces.events), [])
}

describe('exclusion', () => {
  test('finds two holders at the same time', () => {
    finds('exclusion', new Traces().request('p1', 1, 1, 2, 5).request('p2', 1, 1, 4, 6))
  })

  test('accepts two holders one after the other', () => {
    isSound(new Traces().request('p1', 1, 1, 2, 4).request('p2', 1, 1, 4.1, 6))
  })

  test('finds a shared holder beside an exclusive one, whichever came first', () => {
    finds('exclusion', new Traces().request('p1', 1, 1, 2, 5, SHARED).request('p2', 1, 1, 4, 6))
    finds('exclusion', new Traces().request('p1', 1, 1, 2, 5).request('p2', 1, 1, 4, 6, SHARED))
  })

  test('accepts shared holders together', () => {
    isSound(new Traces().request('p1', 1, 1, 2, 5, SHARED).request('p2', 1, 1, 4, 6, SHARED))
  })

  test('finds a third holder of two permits', () => {
    const two = new Traces().request('p1', 1, 1, 2, 5, PERMIT).request('p2', 1, 1, 3, 6, PERMIT)
    isSound(two)
    finds('exclusion', two.request('p3', 1, 1, 4, 7, PERMIT))
  })

  test('accepts a shared holder beside a downgraded one, but not an exclusive one', () => {
    const downgraded = (): Traces =>
      new Traces().request('p1', 1, 1, 2, 6).at(3, 'p1', { kind: 'downgrade', request: 'a:p1#1' })
    isSound(downgraded().request('p2', 1, 1, 4, 5, SHARED))
    finds('exclusion', downgraded().request('p2', 1, 1, 2.5, 5, SHARED))
    finds('exclusion', downgraded().request('p2', 1, 1, 4, 5))
  })

  test('finds more permits taken than there are', () => {
    const three = new Traces().request('p1', 1, 1, 2, 5, THREE_OF_FIVE)
    isSound(three.request('p2', 1, 1, 3, 6, { claim: 'permits:5/2' }))
    finds('exclusion', three.request('p3', 1, 1, 4, 7, { claim: 'permits:5' }))
  })

  test('accepts permits with different numbers, even if the smaller number is noticed last', () => {
    const two = new Traces().request('p1', 1, 1, 2, 5, THREE_OF_FIVE)
    isSound(two.request('p2', 1, 1, 3, 6, { claim: 'permits:1' }))
    finds('exclusion', two.request('p3', 1, 1, 4, 7, { claim: 'permits:1' }))
  })

  test('accepts a holder beside one that may have been dead', () => {
    const traces = new Traces().request('p1', 1, 1, 2).request('p2', 1, 1, 4, 6, { recovered: true })
    finds('exclusion', traces)
    isSound(traces.killed('p1', 3.9))
  })

  test('a thread ends with its process, and no other thread does', () => {
    const traces = (): Traces => new Traces().request('p1.t1', 1, 1, 2).request('p2', 1, 1, 4, 6, { recovered: true })
    isSound(traces().killed('p1', 3.9))
    finds('exclusion', traces().killed('p1.t2', 3.9))
    finds('exclusion', traces().killed('p', 3.9))
  })

  test('a worker is killed with all of its process, whether or not the director had heard of it', () => {
    const traces = (): Traces => new Traces().request('p1+w1', 1, 1, 2).request('p2', 1, 1, 4, 6, { recovered: true })
    isSound(traces().at(3.9, DIRECTOR, { kind: 'kill all', whom: 'p1' }))
    finds('exclusion', traces().at(3.9, DIRECTOR, { kind: 'kill', whom: 'p1' }))
    finds('exclusion', traces().at(3.9, DIRECTOR, { kind: 'kill all', whom: 'p' }))
  })

  test('accepts a holder beside one whose directory was removed', () => {
    isSound(new Traces().request('p1', 1, 1, 2, 5).removed(3, 3.1).request('p2', 1, 3.2, 4, 6))
  })
})

describe('order', () => {
  test('finds a ticket that has its turn before one that had joined before it', () => {
    finds(
      'order',
      new Traces()
        .known()
        .ticket('p1', { entered: 1, turn: 1, left: 5 })
        .ticket('p2', { entered: 2, turn: 3, left: 4 }),
    )
  })

  test('accepts a shared turn behind a downgraded ticket, but not an exclusive one', () => {
    const downgraded = (at: number): Traces =>
      new Traces()
        .known()
        .ticket('p1', { entered: 1, turn: 1, left: 5 })
        .at(at, 'p1', { kind: 'share', ticket: 't1' })
        .at(at, 'p1', { kind: 'shares', ticket: 't1' })
    const next = { entered: 2, turn: 3, left: 4 }
    isSound(downgraded(2.9).ticket('p2', { ...next, ...SHARED }))
    finds('order', downgraded(3.1).ticket('p2', { ...next, ...SHARED }))
    finds('order', downgraded(2.9).ticket('p2', next))
  })

  test('tickets that join at the same time have no order', () => {
    isSound(
      new Traces()
        .known()
        .ticket('p1', { entered: 1, joined: 2.5, left: 5 })
        .ticket('p2', { entered: 2, turn: 3, left: 4 }),
    )
  })

  test('a ticket that has left, or may be dead, is ahead of nobody', () => {
    isSound(new Traces().known().ticket('p1', { entered: 1, left: 2.5 }).ticket('p2', { entered: 2, turn: 3, left: 4 }))
    isSound(
      new Traces()
        .known()
        .ticket('p1', { entered: 1 })
        .killed('p1', 2.5)
        .ticket('p2', { entered: 2, turn: 3, left: 4 }),
    )
  })

  test('a request for permits may pass others while enough permits are left for them', () => {
    const traces = new Traces()
      .known()
      .ticket('p1', { entered: 1, turn: 1, left: 5, ...PERMIT })
      .ticket('p3', { entered: 2, turn: 3, left: 4, ...PERMIT })
    isSound(traces)
    finds('order', traces.ticket('p2', { entered: 1.5, turn: 1.5, left: 5, ...PERMIT }))
  })

  test('finds a request for permits that passes one without room, although there is room for itself', () => {
    const traces = new Traces()
      .known()
      .ticket('p1', { entered: 1, turn: 1, left: 5, ...THREE_OF_FIVE })
      .ticket('p3', { entered: 2, turn: 3, left: 4, claim: 'permits:9' })
    isSound(traces)
    finds('order', traces.ticket('p2', { entered: 1.5, turn: 5, left: 6, ...THREE_OF_FIVE }))
  })

  test('finds two requests of one process that change places', () => {
    finds('order', new Traces().request('p1', 1, 1, 4, 5).request('p1', 2, 2, 3, 3.5))
  })

  test('finds a request that is granted before a ticket that had joined before the request was made', () => {
    const waiting = (): Traces => new Traces().ticket('p2', { entered: 1, turn: 5, left: 6 })
    finds('order', waiting().request('p1', 1, 2, 3, 4))
    isSound(waiting().request('p1', 1, 0.5, 3, 4))
    isSound(waiting().request('p1', 1, 2, 7, 8))
    // It may be the ticket by which it stands.
    isSound(waiting().request('p2', 1, 2, 3, 4))
  })

  test('accepts that within a slice, and not after it', () => {
    const waiting = (): Traces => new Traces().ticket('p2', { entered: 1, turn: 5, left: 6 })
    isSound(waiting().request('p1', 1, 2, 3, 4, { slice: 1001 }))
    finds('order', waiting().request('p1', 1, 2, 3, 4, { slice: 999 }))
  })

  test('accepts that within a slice that began with the turn of its client, and not after it', () => {
    // p1 asked before p2 had joined, and had its turn at 3.
    const turn = (): Traces =>
      new Traces().ticket('p2', { entered: 1, turn: 8, left: 9 }).request('p1', 1, 0.5, 3, 4, { slice: 1001 })
    isSound(turn().request('p1', 2, 4, 5, 6, { slice: 1001 }))
    finds('order', turn().request('p1', 2, 4, 5, 6, { slice: 999 }))
    finds('order', turn().request('p3', 1, 4, 5, 6, { slice: 1001 }))
    // A request that was served by the slice begins no other one.
    finds('order', turn().request('p1', 2, 4, 5, 6, { slice: 1001 }).request('p1', 3, 5.5, 6.5, 7, { slice: 1001 }))
  })

  test('accepts shared requests that change places, but not with an exclusive one', () => {
    isSound(new Traces().request('p1', 1, 1, 4, 5, SHARED).request('p1', 2, 2, 3, 5, SHARED))
    finds('order', new Traces().request('p1', 1, 1, 4, 5).request('p1', 2, 2, 3, 3.5, SHARED))
  })
})

describe('takeover', () => {
  const holding = (left = 2): Traces => new Traces().known().ticket('p1', { entered: 1, turn: 1, left })
  const late = { entered: 1.5, turn: 3.5, left: 4 }

  test('finds a ticket that waits for over a second with nobody in its way', () => {
    finds('takeover', holding().ticket('p2', late).running('p2', 1, 4))
    isSound(holding(2.6).ticket('p2', late).running('p2', 1, 4))
  })

  test('finds a ticket that never has its turn', () => {
    finds('takeover', holding().ticket('p2', { entered: 1.5 }).running('p2', 1, 9))
  })

  test('expects nothing while the event loop does not run', () => {
    isSound(holding().ticket('p2', late))
    isSound(holding().ticket('p2', late).running('p2', 1, 2.2).running('p2', 3.4, 4))
    isSound(holding().ticket('p2', late).running('p1', 1, 4))
    finds('takeover', holding().ticket('p2', late).running('p2', 1, 2.2).running('p2', 2.6, 4))
  })

  test('a killed client is in the way until it is certainly dead', () => {
    const killed = (dead: number): Traces =>
      new Traces()
        .known()
        .ticket('p1', { entered: 1, turn: 1 })
        .killed('p1', 1.8, dead)
        .ticket('p2', late)
        .running('p2', 1, 4)
    isSound(killed(3))
    finds('takeover', killed(2))
  })

  test('a ticket that joins behind is in the way only while it joins', () => {
    const behind = (joined: number): Traces =>
      holding().ticket('p2', late).running('p2', 1, 4).ticket('p3', { entered: 1.6, joined, turn: 5, left: 6 })
    finds('takeover', behind(1.7))
    isSound(behind(3.4))
  })

  test('a downgraded holder is in the way only of exclusive requests', () => {
    const downgraded = (): Traces =>
      holding(3.4)
        .at(1.8, 'p1', { kind: 'share', ticket: 't1' })
        .at(2, 'p1', { kind: 'shares', ticket: 't1' })
        .running('p2', 1, 4)
    finds('takeover', downgraded().ticket('p2', { ...late, ...SHARED }))
    isSound(downgraded().ticket('p2', late))
  })

  test('one of two permits is free while one is taken', () => {
    const other = (): Traces => new Traces().known().ticket('p1', { entered: 1, turn: 1, left: 9, ...PERMIT })
    finds(
      'takeover',
      other()
        .ticket('p2', { ...late, ...PERMIT })
        .running('p2', 1, 4),
    )
    isSound(
      other()
        .ticket('p3', { entered: 1.2, turn: 1.2, left: 3, ...PERMIT })
        .ticket('p2', { ...late, ...PERMIT })
        .running('p2', 1, 4),
    )
  })
})

describe('facts', () => {
  test("finds a token that is not larger than an earlier holder's", () => {
    finds('token', new Traces().request('p1', 1, 1, 2, 3, { token: 7 }).request('p2', 1, 3.5, 4, 5, { token: 7 }))
  })

  test('finds a holder without recovered after one that died', () => {
    const dead = (): Traces => new Traces().request('p1', 1, 1, 2).killed('p1', 3)
    finds('recovered', dead().request('p2', 1, 2, 4, 5))
    isSound(dead().request('p2', 1, 2, 4, 5, { recovered: true }))
    isSound(dead().request('p2', 1, 2, 4, 5, SHARED))
    isSound(dead().at(2.5, 'p1', { kind: 'downgrade', request: 'a:p1#1' }).request('p2', 1, 2, 4, 5))
  })

  test('accepts that if the dead holder had begun to release when it was killed', () => {
    isSound(new Traces().request('p1', 1, 1, 2, 3.1).killed('p1', 3, 3.2).request('p2', 1, 2, 4, 5))
  })

  test('accepts that for permits if another holder may have got recovered', () => {
    const dead = (): Traces => new Traces().request('p1', 1, 1, 2, undefined, PERMIT).killed('p1', 3)
    isSound(dead().request('p2', 1, 3.5, 4, 5, PERMIT))
    finds('recovered', dead().running('p2', 3.1, 3.4).request('p2', 1, 3.5, 4, 5, PERMIT))
    isSound(
      dead()
        .running('p2', 3.1, 3.4)
        .request('p3', 1, 2, 3.8, 5, { ...PERMIT, recovered: true })
        .request('p2', 1, 3.5, 4, 5, PERMIT),
    )
  })

  test('finds a holder that is not notified that its directory was removed', () => {
    const removed = (): Traces => new Traces().request('p1', 1, 1, 2, 9).removed(3, 3.1)
    finds('loss', removed().running('p1', 1, 9))
    isSound(removed().running('p1', 1, 9).at(4, 'p1', { kind: 'lost', request: 'a:p1#1' }))
    isSound(removed().running('p1', 1, 3.5).running('p1', 8, 9))
  })

  test('finds what a client reports itself', () => {
    finds('client', new Traces().at(1, 'p1', { kind: 'blame', what: 'all' }))
  })
})
