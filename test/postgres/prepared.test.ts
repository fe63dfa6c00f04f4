import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MOST_PREPARED, Prepared } from '../../src/engines/postgres/prepared.ts'
import { parsePostgresOptions } from '../../src/engines/postgres/options.ts'
import { scopeOf } from '../../src/engines/postgres/scope.ts'
import { RecentStatements } from '../../src/engines/postgres/recent-statements.ts'

test('a statement is prepared when it is repeated, by a name that no other text ever has', () => {
  const prepared = new Prepared()
  assert.equal(prepared.nameOf('a'), undefined)
  assert.equal(prepared.nameOf('b'), undefined)
  const [a, b] = [prepared.nameOf('a'), prepared.nameOf('b')]
  assert.notEqual(a, undefined)
  assert.notEqual(a, b)
  assert.equal(prepared.nameOf('a'), a)
})

test('the number of prepared statements is limited', () => {
  const prepared = new Prepared()
  for (let count = 0; count < 1000; count += 1) assert.equal(prepared.nameOf(`once ${count}`), undefined)
  assert.equal(prepared.isFull, false)
  const names = new Set<string | undefined>()
  for (let count = 0; count < 1000; count += 1) {
    prepared.nameOf(`twice ${count}`)
    names.add(prepared.nameOf(`twice ${count}`))
  }
  names.delete(undefined)
  assert.equal(names.size, MOST_PREPARED)
  assert.equal(prepared.isFull, true)
})

test('statements are remembered for the same name, claim and label', () => {
  const recent = new RecentStatements(
    { namespace: 'n', sequence: '"public"."s"', serverPatienceMs: 10_000 },
    scopeOf(parsePostgresOptions({})),
  )
  const asked = { claim: { kind: 'exclusive' }, wait: true, label: undefined, lingerMs: 0 } as const
  const first = recent.of('a', asked)
  assert.equal(recent.of('a', asked), first)
  for (const other of [
    recent.of('b', asked),
    recent.of('a', { ...asked, claim: { kind: 'shared' } }),
    recent.of('a', { ...asked, label: 'l' }),
  ]) {
    assert.notEqual(other.take(true, true), first.take(true, true))
    assert.notEqual(other.take(false, true), other.take(true, true))
  }
  for (let count = 0; count < 1000; count += 1) assert.equal(recent.of(`${count}`, asked).name, `${count}`)
})
