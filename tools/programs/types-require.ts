// Compiled only: what CommonJS programs write without esModuleInterop.
import slocket = require('slocket')
import lockfile = require('slocket/proper-lockfile')
import oldLockfile = require('slocket/lockfile')
import redlock = require('slocket/redlock')
import etcd = require('slocket/etcd')
import postgres = require('slocket/postgres')

export const redlocks = (client: redlock.RedisClient): redlock.Redlock => new redlock.default([client])

export async function required(): Promise<boolean> {
  const lock: slocket.Lock = await slocket('path')
  const same: slocket.Lock = await slocket.slocket('path')
  const options: slocket.SlocketOptions = { engine: etcd.etcd({ endpoints: 'a:2379' }) }
  const engine: slocket.Engine = postgres.postgres({ host: 'a' })
  const error: unknown = new slocket.SlocketError('ERR_SLOCKET_TIMEOUT', 'late')
  const release: () => Promise<void> = await lockfile('file')
  await lockfile.unlock('file')
  const oldOptions: oldLockfile.LockOptions = { wait: 1000 }
  oldLockfile.lock('file', oldOptions, () => oldLockfile.unlockSync('file'))
  await release()
  console.log(options, engine, error, same.held)
  return lock.held && slocket.isSlocketError(error)
}
