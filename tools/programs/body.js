// Follows a head in one file, as JavaScript or as TypeScript. Uses everything that the package exports for programs, in
// the directory LOCKS. Returns what became of it: EXPECTED in tools/project.js has the same keys.
async function useSlocket(directory = process.env['LOCKS'] ?? '.') {
  const path = join(directory, 'lock')
  const file = join(directory, 'data.json')

  const lock = await slocket(path, { linger: 0 })
  const asked = [lock.held, await slocket.try(path, { linger: 0 })]
  await lock.release()

  const result = await slocket.with(path, { linger: 0 }, async (held) => held.held)

  const blocking = slocket.sync(path, { linger: 0 })
  const askedSync = [blocking.held, await slocket.try(path, { linger: 0 })]
  blocking.release()

  const name = `test:tools ${directory}`
  const isNamed = await locks.request(name, async (held) => held?.name === name)

  writeFileSync(file, '{}')
  await lockfile.lock(file)
  const dropIn = [await lockfile.check(file), await lockfile.lock(file).catch((error) => error.code)]
  await lockfile.unlock(file)
  rmSync(file)

  // Nothing listens at this port. A slow machine may not know that within the time limit: then it is asked again.
  const engines = [etcd({ endpoints: '127.0.0.1:1' }), postgres({ host: '127.0.0.1', port: 1 })]
  const [ofEtcd, ofPostgres] = await Promise.all(
    engines.map(async (engine) => {
      for (let attempt = 1; ; attempt += 1) {
        const error = await slocket('tools', { engine, timeout: 300 }).catch((reason) => reason)
        if (!isSlocketError(error)) return String(error)
        if (error.code !== 'ERR_SLOCKET_TIMEOUT' || attempt === 30) return error.code
      }
    }),
  )

  return { asked, with: result, sync: askedSync, locks: isNamed, dropIn, etcd: ofEtcd, postgres: ofPostgres }
}
