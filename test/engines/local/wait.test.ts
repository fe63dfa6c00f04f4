/** The numbers are those of the rules in model/README.md. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EXCLUSIVE } from '../../../src/core/claim.ts'
import type { Member } from '../../../src/engines/local/members/member.ts'
import { kernelId } from '../../../src/engines/local/platform/kernel.ts'
import type { QueueState } from '../../../src/engines/local/state.ts'
import { ListedTicket, OwnTicket } from '../../../src/engines/local/ticket.ts'
import type { TicketName } from '../../../src/engines/local/ticket-name.ts'
import { formatTicketName, ticketId } from '../../../src/engines/local/ticket-name.ts'
import { awaitChange } from '../../../src/engines/local/wait.ts'
import { Cancellation } from '../../../src/requests/cancellation.ts'

test('W3: a waiter lists again, instead of sleeping, if the ticket that it would wait for has left since the listing', async () => {
  const [first, second] = [nameOf(1, 'a'), nameOf(2, 'b')]
  const ahead = new ListedTicket(formatTicketName(first), first, { isLive: () => true })
  const there = new Set([ahead.name])
  const owner = { liveConnectionTo: () => ({ isAnswered: true }) } as unknown as Member
  const request = { wait: true } as OwnTicket['request']
  const own = new OwnTicket(second, owner, request)
  const state = {
    view: { isForeign: () => false },
    directory: { has: (name: string) => there.has(name) },
    isOwn: () => false,
  } as unknown as QueueState
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

function nameOf(place: number, letter: string): TicketName {
  const [number, member] = [String(place).padStart(19, '0'), letter.repeat(12)]
  return { id: ticketId(number, member), number, claim: EXCLUSIVE, pid: 1, member, kernel: kernelId() }
}
