// The lock service of the server itself, under one lease for the process, as one would use it who cares for speed.
import { Etcd } from '../grpc.js'

export async function open({ etcd }, name, { ttl }) {
  const client = new Etcd(etcd)
  const lease = await client.lease(ttl)
  return {
    acquire: () => client.call('Lock', { name: Buffer.from(`v3lock/${name}`), lease }),
    release: ({ key }) => client.call('Unlock', { key }),
    // It has nothing that would tell.
    isHeld: () => true,
    close: () => client.close(),
  }
}
