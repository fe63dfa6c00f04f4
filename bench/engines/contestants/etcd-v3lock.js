// The server's own lock service, with one lease for the process, as a user who cares for speed would use it.
import { Etcd } from '../grpc.js'

export async function open({ etcd }, name, { ttl }) {
  const client = new Etcd(etcd)
  const lease = await client.lease(ttl)
  return {
    acquire: () => client.call('Lock', { name: Buffer.from(`v3lock/${name}`), lease }),
    release: ({ key }) => client.call('Unlock', { key }),
    // The service has nothing that tells whether it holds.
    isHeld: () => true,
    close: () => client.close(),
  }
}
