// A floor: two bare scripts, as small as a lock with a token can be, without a queue, waiting or renewal.
import { Redis } from 'ioredis'

const ACQUIRE = `
  if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return redis.call('INCR', KEYS[2]) end
  return 0`
const RELEASE = `
  if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
  return 0`

export async function open({ redis: url }, name, { ttl }) {
  const client = new Redis(url)
  const [acquire, release] = await Promise.all([ACQUIRE, RELEASE].map((script) => client.script('LOAD', script)))
  const keys = [`requests/{${name}}/lock`, `requests/{${name}}/token`]
  return {
    acquire: () => client.evalsha(acquire, 2, ...keys, 'me', ttl * 1000),
    release: () => client.evalsha(release, 1, keys[0], 'me'),
    close: () => client.disconnect(),
  }
}
