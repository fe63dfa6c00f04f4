import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keepUntilTurnEnds, withdrawAllKept } from '../../src/requests/kept-tickets.ts'

test('a thread that is about to block withdraws the kept tickets of all copies of the package', async () => {
  const copy = new URL('../../src/requests/kept-tickets.js?copy', import.meta.url).href
  const other = (await import(copy)) as { keepUntilTurnEnds: typeof keepUntilTurnEnds }
  assert.notEqual(other.keepUntilTurnEnds, keepUntilTurnEnds)
  const withdrawn: string[] = []
  keepUntilTurnEnds({ withdrawKept: () => withdrawn.push('own') })
  other.keepUntilTurnEnds({ withdrawKept: () => withdrawn.push('of the copy') })
  withdrawAllKept()
  assert.deepEqual(withdrawn, ['own', 'of the copy'])
})
