import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'

export interface Address {
  readonly host: string
  readonly port: number
}

/**
 * Where a server can listen that the test starts as a process. The loopback address is all but certainly this server's own: a free port of 127.0.0.1 could be
 * given to somebody else before the server has bound it, if only for a connection.
 */
export async function freeAddress(): Promise<Address> {
  const host = `127.${randomInt(1, 255)}.${randomInt(256)}.${randomInt(1, 255)}`
  const server = net.createServer().listen(0, host)
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return { host, port }
}
