/** The checker of the engines' clients finds who believes beside another one, and excuses no more than a revocation does. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { check } from '../engines/helpers/check.ts'
import type { Line } from '../engines/helpers/trace.ts'

const MS = 1e6
/** With a TTL of 5 s: until 4.5 s after the renewal was sent. */
const TTL_MS = 5000

/** Granted, and believing until then, in ms; every 10 ms, as a client does. */
function hold(who: string, fromMs: number, untilMs: number, more: Partial<Line> = {}): Line[] {
  const line = { who, as: who, resource: 'a', permits: 1, ...more }
  const granted: Line = { ...line, at: at(fromMs), event: 'granted', token: String(fromMs) }
  const looks = Array.from({ length: Math.floor((untilMs - fromMs) / 10) }, (_, index) => fromMs + 10 * index)
  return [granted, ...[...looks, untilMs].map((ms): Line => ({ at: at(ms), who, as: who, event: 'believes' }))]
}

function says(who: string, ms: number, event: Line['event']): Line {
  return { at: at(ms), who, as: who, event, code: 'ERR_SLOCKET_LOST' }
}

function renewed(lease: string, sentMs: number): Line {
  return { at: at(sentMs + 1), who: 'p', event: 'renewed', lease, sentAt: at(sentMs), ttlMs: TTL_MS }
}

function revocation(lease: string, askedMs: number, answeredMs: number): Line[] {
  const line = { who: 'director', lease }
  return [
    { ...line, at: at(askedMs), event: 'revoking' },
    { ...line, at: at(answeredMs), event: 'revoked' },
  ]
}

function at(ms: number): string {
  return String(Math.round(ms * MS))
}

function finds(trace: readonly Line[]): void {
  const findings = check(trace)
  assert.equal(findings.length, 1)
  assert.match(findings[0]!, /^\w+ \w+ \(token \d+\) believed while /)
}

describe('a holder that believes', () => {
  test('while another one is granted is found, and so is a third one of two permits', () => {
    finds([...hold('p', 0, 100), ...hold('q', 50, 60)])
    assert.deepEqual(check([...hold('p', 0, 100), ...hold('q', 101, 110)]), [])
    const two = [...hold('p', 0, 100, { permits: 2 }), ...hold('q', 10, 100, { permits: 2 })]
    assert.deepEqual(check(two), [])
    finds([...two, ...hold('r', 50, 60, { permits: 2 })])
  })

  test('while permits are granted is found if they take more than there are together', () => {
    const two = [...hold('p', 0, 100, { permits: 3, take: 2 }), ...hold('q', 10, 100, { permits: 3 })]
    assert.deepEqual(check(two), [])
    finds([...two, ...hold('r', 50, 60, { permits: 3 })])
    finds([...hold('p', 0, 100, { permits: 3, take: 2 }), ...hold('q', 50, 60, { permits: 3, take: 2 })])
  })

  test('beside a downgraded holder is found only if it came before the downgrade, or is exclusive', () => {
    const writer = [...hold('p', 0, 100), says('p', 50, 'downgrading'), says('p', 51, 'downgraded')]
    assert.deepEqual(check([...writer, ...hold('q', 60, 90, { permits: 0 })]), [])
    finds([...writer, ...hold('q', 40, 90, { permits: 0 })])
    finds([...writer, ...hold('q', 60, 90)])
  })

  test('does not include one that releases without a check: it may have been stopped meanwhile', () => {
    const stopped = [...hold('p', 0, 100), says('p', 8000, 'releasing')]
    assert.deepEqual(check([...stopped, ...hold('q', 6000, 6010)]), [])
    finds([...stopped, ...hold('q', 90, 110)])
  })
})

describe('a client that gets a grant', () => {
  test('but never believes is not found: it may have been stopped on the way, and checks whether it still holds', () => {
    const stopped: Line = { at: at(6000), who: 'p', as: 'p', event: 'granted', resource: 'a', permits: 1, token: '1' }
    const before = hold('q', 5000, 6100)
    assert.deepEqual(check([...before, stopped, says('p', 6010, 'denied'), ...hold('r', 6200, 6300)]), [])
    const believes: Line = { at: at(6050), who: 'p', as: 'p', event: 'believes' }
    assert.equal(check([...before, stopped, believes]).length, 2)
  })
})

describe('a lease that is revoked', () => {
  const trace = [...revocation('1e', 1000, 1100), renewed('1e', 500), renewed('2f', 3000)]

  test('excuses its holder until its deadline, and no longer', () => {
    const next = hold('q', 1200, 1300, { lease: '2f' })
    assert.deepEqual(check([...trace, ...hold('p', 0, 4990, { lease: '1e' }), ...next]), [])
    finds([...trace, ...hold('p', 0, 5010, { lease: '1e' }), ...next])
  })

  test('excuses no other holder, and nothing before it was revoked', () => {
    finds([...trace, ...hold('p', 0, 2000, { lease: '2f' }), ...hold('q', 1200, 1300, { lease: '1e' })])
    finds([...trace, ...hold('p', 0, 2000), ...hold('q', 1200, 1300)])
    finds([...trace, ...hold('p', 0, 2000, { lease: '1e' }), ...hold('q', 990, 1300)])
  })

  test('is not renewed: a request sent after the answer extends nothing; without an answer, it may', () => {
    const both = [...hold('p', 0, 5500, { lease: '1e' }), ...hold('q', 1200, 1300)]
    finds([...trace, renewed('1e', 1101), ...both])
    const unanswered = trace.filter(({ event }) => event !== 'revoked')
    assert.deepEqual(check([...unanswered, renewed('1e', 1101), ...both]), [])
  })

  test('excuses only one of two holders with a permit each', () => {
    const permits = 2
    const three = [
      ...hold('p', 0, 3000, { permits, lease: '1e' }),
      ...hold('q', 0, 3000, { permits, lease: '2f' }),
      ...hold('r', 1200, 1300, { permits }),
    ]
    assert.deepEqual(check([...trace, ...three]), [])
    finds([...trace, ...three, ...hold('s', 1250, 1300, { permits })])
  })
})

test('a session that a server has ended excuses for two seconds', () => {
  const ended: Line = { at: at(1000), who: 'director', event: 'revoking' }
  assert.deepEqual(check([ended, ...hold('p', 0, 2000), ...hold('q', 1200, 1300)]), [])
  finds([ended, ...hold('p', 0, 4000), ...hold('q', 1200, 1300)])
  finds([ended, ...hold('p', 0, 4000), ...hold('q', 3100, 3200)])
})

test('a victim has two seconds to be notified, which excuses only the thief', () => {
  const victim = hold('p', 0, 2900)
  assert.deepEqual(check([...victim, ...hold('q', 1000, 1100, { isThief: true })]), [])
  finds([...victim, ...hold('q', 1000, 1100)])
  finds([...victim, ...hold('q', 800, 850, { isThief: true })])
})
