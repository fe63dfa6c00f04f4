/** What needs no Windows: what stands for a guard that is open elsewhere, and the end of a hold. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import type { Claim } from '../../src/core/claim.ts'
import { EXCLUSIVE, permitClaim, SHARED } from '../../src/core/claim.ts'
import type { Ticket } from '../../src/core/ticket.ts'
import { decideTurn, isCertainlyBlocked } from '../../src/core/turn.ts'
import { Hold } from '../../src/engines/local/windows/hold.ts'
import { GuardBarrier } from '../../src/engines/local/windows/ticket.ts'

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-hold-'))
after(() => fs.rmSync(directory, { recursive: true }))

test('a guard that is open elsewhere leaves no room, also after a request that never waits gives up', async () => {
  const claims = [EXCLUSIVE, SHARED, permitClaim(1), permitClaim(3), permitClaim(3, 2), permitClaim(3, 3)]
  const listings = claims.map((claim) => [new GuardBarrier(claim), ticket(claim)])
  assert.deepEqual(listings.map(kindOfTurn), Array(claims.length).fill('blocked'))
  await setTimeout(300)
  assert.deepEqual(listings.map(kindOfTurn), Array(claims.length).fill('blocked'))
  assert.ok(listings.every(([barrier]) => isCertainlyBlocked([barrier!])))
})

test('a hold closes all its guards, even if the program has closed one of them', () => {
  const record = { isMadeHere: false, bootNs: 1n, holder: '' }
  for (const end of ['close', 'abandon'] as const) {
    const descriptors = ['a', 'b', 'c'].map((name) => fs.openSync(path.join(directory, name), 'w+'))
    const hold = new Hold(descriptors, record, descriptors[0], record)
    fs.closeSync(descriptors[0]!)
    hold[end]()
    for (const descriptor of descriptors) assert.throws(() => fs.fstatSync(descriptor), { code: 'EBADF' })
  }
})

function ticket(claim: Claim): Ticket {
  return { id: 'own', claim, live: true, joining: false }
}

function kindOfTurn(listing: readonly Ticket[]): string {
  return decideTurn(listing.at(-1)!, listing).kind
}
