// A floor, not a lock: the two requests that a lock needs. A transaction writes a key with an existing lease, and reads the
// queue; the other request deletes that key.
import { Etcd } from '../grpc.js'

export async function open({ etcd }, name, { ttl }) {
  const client = new Etcd(etcd)
  const lease = await client.lease(ttl)
  const bytes = (text) => Buffer.from(text)
  let count = 0
  return {
    async acquire() {
      count += 1
      const key = bytes(`requests/${name}/${lease}-${count}`)
      await client.call('Txn', {
        compare: [{ result: 0, target: 1, key, createRevision: 0 }],
        success: [
          { put: { key, value: bytes('1'), lease } },
          { range: { key: bytes(`requests/${name}/`), rangeEnd: bytes(`requests/${name}0`), limit: 2 } },
        ],
        failure: [{ range: { key } }],
      })
      return key
    },
    release: (key) => client.call('DeleteRange', { key }),
    close: () => client.close(),
  }
}
