// The contestants that use servers, each in its own file, all with the same small interface:
//
//   open(servers, name, { ttl })  a promise of a handle of the lock `name`; servers: { etcd: [URL, …], postgres: URL, redis: URL }
//   handle.acquire()              a promise of the value that release takes
//   handle.release(held)
//   handle.isHeld(held)           true if its user would still believe that it holds, without asking anybody. Missing in floors
//   handle.close()
//
// ttl is in seconds. Contestants without one (advisory locks of PostgreSQL) ignore it.
export const ETCD = 'slocket-etcd'
export const ETCD_FLOOR = 'etcd-requests'
export const POSTGRES = 'slocket-postgres'
export const POSTGRES_FLOOR = 'postgres-requests'
export const REDIS = 'slocket-redis'
export const REDIS_FLOOR = 'redis-requests'

/** The contestants on each server, ours first. */
export const ON_ETCD = [ETCD, 'etcd-v3lock', 'etcd3']
export const ON_POSTGRES = [POSTGRES, POSTGRES_FLOOR]
export const ON_REDIS = [REDIS, 'redlock', 'redis-semaphore']

export async function open(contestant, servers, name, settings) {
  const module = await import(`./${contestant}.js`)
  return await module.open(servers, name, settings)
}
