/** What the other tests here rely on: the journal shows two holders, and is not misled by a process that is killed. */
import assert from 'node:assert/strict'
import { rmSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { JournalEntry } from '../helpers/journal.ts'
import { Journal } from '../helpers/journal.ts'

let tokens = 0
const grant = (who: string, claim = 'exclusive'): JournalEntry => {
  tokens += 1
  return { kind: '+', who, path: 'lock', as: 'lock', claim, token: String(tokens), recovered: false }
}
const release = (who: string): JournalEntry => ({ kind: '-', who, path: 'lock', as: 'lock' })
const death = (who: string): JournalEntry => ({ kind: '!', who })
const start = (who: string): JournalEntry => ({ kind: '*', who })

test('the journal fails if two hold', () => {
  fails([grant('a'), grant('b')])
  fails([grant('a', 'shared'), grant('b')])
  fails([grant('a', 'permits:2'), grant('b', 'permits:2'), grant('c', 'permits:2')])
  passes([grant('a', 'shared'), grant('b', 'shared')])
  passes([grant('a'), release('a'), grant('b')])
})

test('the journal fails if a process holds beside one that is about to be killed, but not after it', () => {
  passes([grant('a'), death('a'), grant('b')])
  passes([death('a'), grant('a'), grant('b')])
  passes([death('a'), grant('a/thread'), grant('b')])
  fails([grant('b'), death('a'), grant('a')])
  fails([death('a'), start('a'), grant('a'), grant('b')])
})

function passes(entries: readonly JournalEntry[]): void {
  const directory = mkdtempSync(join(tmpdir(), 'slocket-journal-'))
  const journal = new Journal(join(directory, 'journal'))
  try {
    for (const entry of entries) journal.write(entry)
    journal.verify()
  } finally {
    journal.close()
    rmSync(directory, { recursive: true })
  }
}

function fails(entries: readonly JournalEntry[]): void {
  assert.throws(() => passes(entries), /while .+ held it/)
}
