// Sets a value in a JSON file: node config.mjs FILE KEY VALUE
import { readFile, rename, writeFile } from 'node:fs/promises'
import slocket from 'slocket'

const [file, key, value] = process.argv.slice(2)
if (value === undefined) {
  console.error('usage: node config.mjs FILE KEY VALUE')
  process.exit(2)
}

// Ctrl-C cancels the wait for the lock. Once the lock is held, the change is completed: it takes no time.
const interrupted = new AbortController()
process.once('SIGINT', () => interrupted.abort(new Error('interrupted')))

try {
  const lock = await acquire(`${file}.lock`, { label: `set ${key}`, signal: interrupted.signal })
  try {
    const config = await readConfig()
    config[key] = value
    lock.assertHeld()
    await writeConfig(config)
  } finally {
    await lock.release()
  }
} catch (error) {
  if (error !== interrupted.signal.reason) throw error
  console.error(`interrupted: ${file} is unchanged`)
  process.exitCode = 130
}

/** Acquires the lock. If that takes waiting, says for whom. */
async function acquire(path, options) {
  const lock = await slocket.try(path, options)
  if (lock !== null) return lock
  const { held, obstacle } = await slocket.query(path)
  for (const { pid, since, label } of held) {
    console.error(
      `waiting for process ${pid} (${label ?? 'no label'}), which has held the lock since ${since?.toLocaleTimeString()}`,
    )
  }
  if (obstacle !== undefined) console.error(`waiting: ${obstacle.message}`)
  return await slocket(path, options)
}

async function readConfig() {
  try {
    return JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    if (error.code === 'ENOENT') return {}
    throw error
  }
}

/** Replaces the file at once. The name of the new file is always the same: only the holder of the lock writes it. */
async function writeConfig(config) {
  await writeFile(`${file}.new`, `${JSON.stringify(config, null, 2)}\n`, { flush: true })
  await rename(`${file}.new`, file)
}
