/** The numbers are those of the rules in model/README.md. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EXCLUSIVE } from '../../../src/core/claim.ts'
import type { Member } from '../../../src/engines/local/members/member.ts'
import { kernelId } from '../../../src/engines/local/platform/kernel.ts'
import { Spin } from '../../../src/engines/local/spin.ts'
import type { QueueState } from '../../../src/engines/local/state.ts'
import { ListedTicket, OwnTicket } from '../../../src/engines/local/ticket.ts'
import type { TicketName } from '../../../src/engines/local/ticket-name.ts'
import { formatTicketName, ticketId } from '../../../src/engines/local/ticket-name.ts'
import { awaitChange } from '../../../src/engines/local/wait.ts'
import { Cancellation } from '../../../src/requests/cancellation.ts'

test('W3: a waiter lists again, instead of sleeping, if the ticket that it would wait for has left since the listing', async () => {
  const { own, ahead } = tickets()
  const there = new Set([ahead.name])
  const state = stateOf({ has: (name) => there.has(name), isFirst: false })
  const cancellation = new Cancellation()
  const sleeping = awaitChange(state, own, [ahead], cancellation)
  assert.ok(sleeping instanceof Promise)
  own.wake()
  await sleeping
  own.isWoken = false
  there.clear()
  assert.equal(awaitChange(state, own, [ahead], cancellation), undefined)
  // The listing still shows it.
  assert.ok(awaitChange(state, own, [ahead], cancellation) instanceof Promise)
})

test('a waiter that is next lists again if the holder leaves while it spins; another one does not spin', async () => {
  const { own, ahead } = tickets()
  const cancellation = new Cancellation()
  let looks = 0
  const has = (): boolean => (looks += 1) < 3
  assert.equal(awaitChange(stateOf({ has, isFirst: true }), own, [ahead], cancellation), undefined)
  assert.equal(looks, 3)
  looks = 0
  const sleeping = awaitChange(stateOf({ has, isFirst: false }), own, [ahead], cancellation)
  assert.equal(looks, 1)
  own.wake()
  await sleeping
})

test('a waiter sleeps, and is woken, if the holder stays while it spins', async () => {
  const { own, ahead } = tickets()
  const sleeping = awaitChange(stateOf({ has: () => true, isFirst: true }), own, [ahead], new Cancellation())
  assert.ok(sleeping instanceof Promise)
  own.wake()
  await sleeping
})

function stateOf({ has, isFirst }: { has: (name: string) => boolean; isFirst: boolean }): QueueState {
  return {
    view: { isForeign: () => false, isFirst: () => isFirst },
    directory: { has },
    isOwn: () => false,
    spin: new Spin(),
  } as unknown as QueueState
}

/** A ticket of this process, and the one of another process that it waits for. */
function tickets(): { own: OwnTicket; ahead: ListedTicket } {
  const [first, second] = [nameOf(1, 'a'), nameOf(2, 'b')]
  const owner = { liveConnectionTo: () => ({ isAnswered: true }) } as unknown as Member
  return {
    own: new OwnTicket(formatTicketName(second), second, owner, { wait: true } as OwnTicket['request']),
    ahead: new ListedTicket(formatTicketName(first), first, { isLive: () => true }),
  }
}

function nameOf(place: number, letter: string): TicketName {
  const [number, member] = [String(place).padStart(19, '0'), letter.repeat(12)]
  return { id: ticketId(number, member), number, claim: EXCLUSIVE, pid: 1, member, kernel: kernelId() }
}
