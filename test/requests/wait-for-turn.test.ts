import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { runInNewContext } from 'node:vm'
import { Cancellation } from '../../src/requests/cancellation.ts'
import type { EnqueueRequest } from '../../src/requests/ticket-queue.ts'
import type { Claim } from '../../src/core/claim.ts'
import { EXCLUSIVE, permitClaim, SHARED } from '../../src/core/claim.ts'
import { isSlocketError } from '../../src/errors.ts'
import { turnOf } from '../helpers/turn.ts'
import { gate, ScriptedQueue, settle } from './scripted-queue.ts'

interface Wanted extends EnqueueRequest {
  readonly cancellation: Cancellation
}

describe('waiting for a turn', () => {
  test('with nobody ahead, the turn comes with the first listing', async () => {
    const queue = new ScriptedQueue()
    const wanted = request()
    const own = queue.join(wanted)
    assert.equal(await turnOf(queue, own, wanted), own)
    assert.deepEqual(queue.calls, ['list 1'])
  })

  test('a wake-up is only a hint: it lists again after each', async () => {
    const queue = new ScriptedQueue()
    const stranger = queue.stranger('ahead')
    const wanted = request()
    const turn = turnOf(queue, queue.join(wanted), wanted)
    for (let count = 0; count < 3; count += 1) {
      await settle()
      queue.wake()
    }
    await settle()
    assert.deepEqual(queue.calls.slice(-2), ['list 1', 'anyChange 1'])
    queue.remove(stranger)
    assert.equal((await turn)?.id, '1')
    assert.equal(queue.calls.at(-1), 'list 1')
  })

  test('every thenable that an engine returns is awaited: it does not list again in a loop', async (context) => {
    const queue = new ScriptedQueue()
    const ahead = queue.stranger('ahead')
    const OtherPromise = runInNewContext('Promise') as PromiseConstructor
    const anyChange = context.mock.method(queue, 'anyChange', () => {
      assert.ok(anyChange.mock.callCount() < 3)
      return OtherPromise.resolve().then(() => queue.remove(ahead))
    })
    const wanted = request()
    assert.equal((await turnOf(queue, queue.join(wanted), wanted))?.id, '1')
    assert.equal(anyChange.mock.callCount(), 1)
  })

  test('a ticket that was removed from outside joins again, at the end', async () => {
    const queue = new ScriptedQueue()
    const ahead = queue.stranger('ahead')
    const wanted = request()
    const turn = turnOf(queue, queue.join(wanted), wanted)
    await settle()
    const behind = queue.stranger('behind')
    queue.remove(queue.tickets[1]!)
    await settle()
    assert.deepEqual(
      queue.tickets.map(({ id }) => id),
      ['ahead', 'behind', '2'],
    )
    queue.remove(ahead)
    await settle()
    queue.remove(behind)
    assert.equal((await turn)?.id, '2')
    assert.ok(queue.calls.includes('withdraw 1'))
  })

  test('a ticket that cannot join again gives up', async () => {
    const queue = new ScriptedQueue()
    const wanted = request()
    const own = queue.join(wanted)
    queue.remove(own)
    queue.instead.set('enqueue', () => null)
    assert.equal(await turnOf(queue, own, wanted), null)
  })

  test('when joining again fails, the failure is passed on, and nothing is left behind', async () => {
    const queue = new ScriptedQueue()
    const wanted = request()
    const own = queue.join(wanted)
    queue.remove(own)
    const failure = new Error('no room')
    queue.instead.set('enqueue', () => Promise.reject(failure))
    await assert.rejects(
      async () => await turnOf(queue, own, wanted),
      (error) => error === failure,
    )
    assert.deepEqual(queue.tickets, [])
  })

  for (const step of ['list', 'anyChange'] as const) {
    test(`when ${step} fails, the failure is passed on, and the ticket is withdrawn`, async () => {
      for (const isAsync of [true, false]) {
        const queue = new ScriptedQueue()
        queue.stranger('ahead')
        const wanted = request()
        const own = queue.join(wanted)
        const failure = new Error(`${step} fails`)
        queue.instead.set(step, () => {
          if (isAsync) return Promise.reject(failure)
          throw failure
        })
        await assert.rejects(
          async () => await turnOf(queue, own, wanted),
          (error) => error === failure,
        )
        assert.deepEqual(
          queue.tickets.map(({ id }) => id),
          ['ahead'],
        )
      }
    })
  }

  test('a failed withdrawal does not hide an earlier failure', async () => {
    const queue = new ScriptedQueue()
    const wanted = request()
    const own = queue.join(wanted)
    const failure = new Error('the first')
    queue.instead.set('list', () => Promise.reject(failure))
    queue.instead.set('withdraw', () => Promise.reject(new Error('the second')))
    await assert.rejects(
      async () => await turnOf(queue, own, wanted),
      (error) => error === failure,
    )
  })

  test('a failed withdrawal is passed on if it is the first failure', async () => {
    const queue = new ScriptedQueue()
    queue.stranger('ahead')
    const wanted = request({ wait: false })
    const failure = new Error('cannot withdraw')
    queue.instead.set('withdraw', () => Promise.reject(failure))
    await assert.rejects(
      async () => await turnOf(queue, queue.join(wanted), wanted),
      (error) => error === failure,
    )
  })

  test('cancelled before the first listing, it withdraws', async () => {
    const queue = new ScriptedQueue()
    const wanted = request()
    const own = queue.join(wanted)
    wanted.cancellation.cancel()
    assert.equal(await turnOf(queue, own, wanted), null)
    assert.deepEqual(queue.tickets, [])
  })

  test('cancelled during a listing, it withdraws, even if its turn had come', async () => {
    const queue = new ScriptedQueue()
    const wanted = request()
    const own = queue.join(wanted)
    const listing = gate<readonly unknown[]>()
    queue.instead.set('list', () => listing.promise)
    const turn = turnOf(queue, own, wanted)
    wanted.cancellation.cancel()
    listing.open([own])
    assert.equal(await turn, null)
    assert.deepEqual(queue.tickets, [])
  })

  test('cancelled while it waits, it withdraws', async () => {
    const queue = new ScriptedQueue()
    queue.stranger('ahead')
    const wanted = request()
    const turn = turnOf(queue, queue.join(wanted), wanted)
    await settle()
    wanted.cancellation.cancel()
    assert.equal(await turn, null)
    assert.deepEqual(
      queue.tickets.map(({ id }) => id),
      ['ahead'],
    )
  })

  test('cancelled while it joins again, it withdraws the new ticket', async () => {
    const queue = new ScriptedQueue()
    const wanted = request()
    const own = queue.join(wanted)
    queue.remove(own)
    const joining = gate<unknown>()
    queue.instead.set('enqueue', () => joining.promise)
    const turn = turnOf(queue, own, wanted)
    await settle()
    wanted.cancellation.cancel()
    joining.open(queue.join(wanted))
    assert.equal(await turn, null)
    assert.deepEqual(queue.tickets, [])
  })

  test('a try lists again while the ticket ahead may be joining or dead', async () => {
    for (const doubt of [{ joining: true }, { live: false }]) {
      const queue = new ScriptedQueue()
      const doubtful = { ...queue.stranger('ahead'), ...doubt }
      queue.tickets = [doubtful]
      const wanted = request({ wait: false })
      const turn = turnOf(queue, queue.join(wanted), wanted)
      await settle()
      assert.equal(queue.calls.at(-1), 'anyChange 1')
      queue.remove(doubtful)
      assert.equal((await turn)?.id, '1')
    }
  })

  test('a try withdraws when a ticket ahead certainly blocks it', async () => {
    const queue = new ScriptedQueue()
    queue.stranger('ahead')
    const wanted = request({ wait: false })
    assert.equal(await turnOf(queue, queue.join(wanted), wanted), null)
    assert.deepEqual(queue.calls, ['list 1', 'withdraw 1'])
  })

  test("a claim ahead that doesn't match is a mismatch, and the ticket is withdrawn", async () => {
    const pairs: readonly (readonly [Claim, Claim])[] = [
      [EXCLUSIVE, permitClaim(2)],
      [permitClaim(2), SHARED],
    ]
    for (const [ahead, claim] of pairs) {
      const queue = new ScriptedQueue()
      queue.stranger('ahead', ahead)
      const wanted = request({ claim })
      await assert.rejects(
        async () => await turnOf(queue, queue.join(wanted), wanted),
        (error) => isSlocketError(error, 'ERR_SLOCKET_CLAIM_MISMATCH'),
      )
      assert.deepEqual(
        queue.tickets.map(({ id }) => id),
        ['ahead'],
      )
    }
  })
})

function request(change: Partial<Wanted> = {}): Wanted {
  return {
    claim: EXCLUSIVE,
    wait: true,
    steal: false,
    lingerMs: 0,
    cancellation: new Cancellation(),
    requests: () => [],
    onLost: () => {},
    onStolen: () => {},
    ...change,
  }
}
