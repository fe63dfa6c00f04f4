import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { EXCLUSIVE, permitClaim, SHARED } from '../../../../src/core/claim.ts'
import { EtcdClient } from '../../../../src/engines/etcd/client.ts'
import { etcd } from '../../../../src/engines/etcd/index.ts'
import { parseEtcdOptions } from '../../../../src/engines/etcd/options.ts'
import type { TxnResponse } from '../../../../src/engines/etcd/protocol.ts'
import { OwnTicket } from '../../../../src/engines/etcd/ticket.ts'
import { listingFor } from '../../../../src/engines/etcd/listing.ts'
import { Cancellation } from '../../../../src/requests/cancellation.ts'
import { isSlocketError } from '../../../../src/index.ts'
import { inArena } from '../../helpers/arena.ts'
import { followersOf, leaderOf } from '../../helpers/etcd-cluster.ts'

const SESSION = {
  lease: '1',
  ttlMs: 10_000,
  isAlive: () => true,
  seemsAlive: () => true,
  forget: () => undefined,
  replaceKey: () => undefined,
  lose: () => undefined,
}

function ticketFor(claim: OwnTicket['claim']): OwnTicket {
  const told = { requests: () => [], onLost: () => undefined, onStolen: () => undefined }
  const asked = { claim, wait: true, steal: false, lingerMs: 0, cancellation: new Cancellation(), ...told }
  return new OwnTicket('key', asked, SESSION)
}

describe('a member that the others have removed', () => {
  test('shows no queue, since its data may be stale', async () => {
    await inArena('cluster', async ({ servers }) => {
      const leader = await leaderOf(servers)
      const endpoints = servers.addressOf('cluster').split(',')[Number(leader.slice(-1)) - 1]!
      const client = new EtcdClient(parseEtcdOptions({ endpoints, ttl: 5000 }))
      const engine = etcd({ endpoints, ttl: 5000 })
      const look = async (claim: OwnTicket['claim']): Promise<TxnResponse | undefined> => {
        let sent = 0
        const asking = { onSend: () => void (sent += 1), isOver: () => sent >= 2 }
        const answer = await client.ask('Txn', { success: listingFor('slocket/q/YQ/', ticketFor(claim)) }, asking)
        assert.ok(sent > 0)
        return answer
      }
      const lookAll = async (): Promise<unknown[]> => await Promise.all([EXCLUSIVE, SHARED, permitClaim(2)].map(look))
      const answers = await lookAll()
      assert.ok(!answers.includes(undefined))
      const others = await followersOf(servers)
      await Promise.all(others.map((node) => servers.signal(node, 'SIGSTOP')))
      await Promise.all([
        lookAll().then((none) => assert.deepEqual(none, [undefined, undefined, undefined])),
        assert.rejects(engine.query('a'), (error) => isSlocketError(error, 'ERR_SLOCKET_UNREACHABLE')),
        assert.rejects(engine.queryAll!(), (error) => isSlocketError(error, 'ERR_SLOCKET_UNREACHABLE')),
      ])
      await Promise.all(others.map((node) => servers.signal(node, 'SIGCONT')))
    })
  })
})
