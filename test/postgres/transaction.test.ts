// lockTransaction without a server: arguments, and what a client may answer. On a server: test/engines/postgres/transaction.test.ts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TransactionLockOptions } from '../../src/engines/postgres/index.ts'
import { lockTransaction } from '../../src/engines/postgres/index.ts'
import type { SlocketErrorCode } from '../../src/index.ts'
import { isSlocketError } from '../../src/index.ts'

/** Gives these rows, one after the other, each as a client of that kind does. */
function answering(
  wrap: (row: object) => unknown,
  ...rows: readonly object[]
): { query(text: string): Promise<unknown> } {
  const left = [...rows]
  return { query: (_text) => Promise.resolve(wrap(left.shift() ?? {})) }
}

const ofPg = (row: object): unknown => ({ rows: [row] })
const ofPostgresJs = (row: object): unknown => [row]
const PRIMARY = { mark: 'a', standby: 'false' }

test('wrong arguments are errors before any query', async () => {
  let asked = 0
  const client = {
    query: () => {
      asked += 1
      return Promise.resolve([])
    },
  }
  for (const options of [
    null,
    5,
    [],
    { mode: 'read' },
    { wait: 1 },
    { timeout: '5' },
    { wait: false, timeout: 5 },
    { namespace: 'a\nb' },
    { signal: new AbortController().signal },
  ])
    await assert.rejects(lockTransaction(client, 'a', options as never), TypeError, JSON.stringify(options))
  for (const timeout of [-1, Number.NaN, 2 ** 31])
    await assert.rejects(lockTransaction(client, 'a', { timeout }), RangeError, String(timeout))
  for (const wrong of [undefined, null, 'postgres://', {}, { query: 5 }])
    await assert.rejects(lockTransaction(wrong as never, 'a'), TypeError)
  await assert.rejects(lockTransaction(client, 5 as never), TypeError)
  assert.equal(asked, 0)
})

test('rows are accepted as an array, or in an object', async () => {
  for (const wrap of [ofPg, ofPostgresJs]) {
    assert.equal(await lockTransaction(answering(wrap, PRIMARY, { outcome: 'granted' }), 'a'), true)
    const busy = answering(wrap, PRIMARY, { outcome: 'busy' })
    assert.equal(await lockTransaction(busy, 'a', { wait: false }), false)
  }
})

test('a client that returns no rows, or returns them as arrays, is a TypeError', async () => {
  for (const answer of [undefined, [], { rows: [] }, { rowCount: 1 }])
    await assert.rejects(lockTransaction({ query: () => Promise.resolve(answer) }, 'a'), TypeError)
})

test('a standby is an error, and so is a client outside of a transaction', async () => {
  const refusedAs = async (
    code: SlocketErrorCode,
    options: TransactionLockOptions,
    ...rows: object[]
  ): Promise<void> => {
    await assert.rejects(lockTransaction(answering(ofPg, ...rows), 'a', options), (error) =>
      isSlocketError(error, code),
    )
  }
  await refusedAs('ERR_SLOCKET_READ_ONLY', {}, { mark: 'a', standby: 'true' })
  await refusedAs('ERR_SLOCKET_NO_TRANSACTION', {}, PRIMARY, { outcome: null })
  await refusedAs('ERR_SLOCKET_NO_TRANSACTION', { wait: false }, PRIMARY, { outcome: null })
  // It waited, and the transaction was ended meanwhile.
  await refusedAs('ERR_SLOCKET_NO_TRANSACTION', {}, PRIMARY, { outcome: 'busy' }, {}, { outcome: null })
})

test('a timeout of 0 waits for nothing', async () => {
  const texts: string[] = []
  const answers = [PRIMARY, { outcome: 'busy' }]
  const client = {
    query: (text: string) => {
      texts.push(text)
      return Promise.resolve([answers[texts.length - 1]])
    },
  }
  await assert.rejects(lockTransaction(client, 'a', { timeout: 0 }), (error) =>
    isSlocketError(error, 'ERR_SLOCKET_TIMEOUT'),
  )
  assert.equal(texts.length, 2)
})

test('an exception of the client is passed on', async () => {
  const failure = new Error('25P02')
  await assert.rejects(lockTransaction({ query: () => Promise.reject(failure) }, 'a'), (error) => error === failure)
})
