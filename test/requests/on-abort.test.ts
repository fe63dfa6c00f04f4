import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { onAbort } from '../../src/requests/on-abort.ts'

test('an abort reaches all that listen, whatever a listener before them does', () => {
  const controller = new AbortController()
  controller.signal.addEventListener('abort', (event) => event.stopImmediatePropagation())
  const called: string[] = []
  for (const name of ['first', 'second', 'stopped']) {
    const stop = onAbort(controller.signal, () => called.push(name))
    if (name === 'stopped') stop()
  }
  controller.abort()
  assert.deepEqual(called, ['first', 'second'])
})

test('a signal has one listener, and none when nobody listens any more', () => {
  const { signal } = new AbortController()
  const stops = Array.from({ length: 20 }, () => onAbort(signal, () => assert.fail('called')))
  assert.equal(getEventListeners(signal, 'abort').length, 1)
  for (const stop of [...stops, ...stops]) stop()
  assert.equal(getEventListeners(signal, 'abort').length, 0)
  onAbort(signal, () => {})()
  assert.equal(getEventListeners(signal, 'abort').length, 0)
})
