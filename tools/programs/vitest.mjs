// Follows a body.
import { afterEach, expect, test, vi } from 'vitest'

afterEach(() => vi.useRealTimers())

test('works', async () => expect(await useSlocket()).toEqual(JSON.parse(process.env.EXPECTED)), 60_000)

test('works while time is faked', async () => {
  vi.useFakeTimers()
  expect(await useSlocket()).toEqual(JSON.parse(process.env.EXPECTED))
}, 60_000)
