import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { etcd } from '../../../src/engines/etcd/index.ts'
import { slocket } from '../../../src/index.ts'
import type { Lock, SlocketOptions } from '../../../src/index.ts'
import { pass, until } from '../../helpers/until.ts'
import { addressOf } from '../helpers/servers.ts'

/** Longer than it is between two looks. */
const LOOKS_MS = 2500

const endpoints = addressOf('etcd')
const [engine, other] = [etcd({ endpoints }), etcd({ endpoints })]

describe('lock.wanted in etcd', () => {
  for (const [claim, others, wants] of [
    [{}, [], {}],
    [{ mode: 'shared' }, [{ mode: 'shared' }, { mode: 'shared' }], {}],
    [{ permits: 2 }, [{ permits: 2 }], { permits: 2 }],
  ] as readonly (readonly [SlocketOptions, readonly SlocketOptions[], SlocketOptions])[]) {
    test(`${JSON.stringify(claim)}: aborts once another request waits, not while others share or try`, async () => {
      const name = `wanted-${randomBytes(6).toString('hex')}`
      const holder = await slocket(name, { engine, ...claim })
      const { wanted } = holder
      const together: Lock[] = []
      for (const options of others) together.push(await slocket(name, { engine: other, ...options }))
      assert.equal(await slocket.try(name, { engine: other, ...wants }), null)
      await pass(LOOKS_MS)
      assert.equal(wanted.aborted, false)
      const waiting = slocket(name, { engine: other, ...wants })
      await until('it is wanted', () => wanted.aborted)
      for (const lock of [holder, ...together]) await lock.release()
      await (await waiting).release()
    })
  }

  test('aborts at once if another request already waits', async () => {
    const name = `wanted-${randomBytes(6).toString('hex')}`
    const holder = await slocket(name, { engine })
    const waiting = slocket(name, { engine: other })
    await until('it waits', async () => (await slocket.query(name, { engine })).pending.length === 1)
    const { wanted } = holder
    await until('it is wanted', () => wanted.aborted)
    await holder.release()
    await (await waiting).release()
  })
})
