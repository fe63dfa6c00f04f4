// Two thieves at once.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomBytes } from 'node:crypto'
import { EtcdClient } from '../../../src/engines/etcd/client.ts'
import { etcd } from '../../../src/engines/etcd/index.ts'
import type { TxnRequest } from '../../../src/engines/etcd/protocol.ts'
import type { Engine } from '../../../src/requests/engine.ts'
import { slocket } from '../../../src/index.ts'
import { until } from '../../helpers/until.ts'
import { addressOf } from '../helpers/servers.ts'

const THEFT = { claim: { kind: 'exclusive' }, wait: true, steal: true, lingerMs: 0 } as const

test('a thief in etcd that finds out late that another one came after it has the smaller token', async (context) => {
  let isLate = false
  let goOn: (() => void) | undefined
  const { ask } = EtcdClient.prototype as unknown as {
    ask(method: string, request: object, ...rest: unknown[]): Promise<object | undefined>
  }
  const slow = async function (this: EtcdClient, ...asked: Parameters<typeof ask>): Promise<object | undefined> {
    const { success = [] } = asked[1] as Partial<TxnRequest>
    if (!isLate && success.some(({ put }) => put?.ignoreLease === true)) {
      isLate = true
      await new Promise<void>((resolve) => (goOn = resolve))
    }
    return await ask.apply(this, asked)
  }
  context.mock.method(EtcdClient.prototype, 'ask', slow as never)
  const name = `thieves-${randomBytes(6).toString('hex')}`
  const open = (): Engine => etcd({ endpoints: addressOf('etcd') })
  const [owner, one, other] = [open(), open(), open()]
  await slocket(name, { engine: owner })
  const first = one.acquire(name, THEFT)
  await until('it is about to steal', () => goOn !== undefined)
  const second = (await other.acquire(name, THEFT))!
  // Revisions go on.
  await (await slocket(`${name}-other`, { engine: owner })).release()
  goOn!()
  const lost = (await first)!
  await new Promise<Error>((resolve) => lost.onLost(resolve))
  assert.equal(second.isHeld!(), true)
  assert.ok(lost.token < second.token, `${lost.token} and ${second.token}`)
  await second.release()
})
