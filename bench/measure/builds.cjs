// One of several processes that take the locks of several builds of slocket in turn.
const { openSync, readSync, writeSync } = require('node:fs')
const path = require('node:path')

const NUMBER = 8
const { builds, directory, slice } = JSON.parse(process.argv[2])
const options = slice > 0 ? { slice } : undefined
const locks = builds.map((build, index) => ({
  slocket: require(build),
  lockPath: path.join(directory, `lock-${index}`),
}))
const descriptor = openSync(path.join(directory, 'file'), 'w+')
const buffer = Buffer.alloc(NUMBER)
/** As in clock.js. */
const now = () => Number(process.hrtime.bigint()) / 1e6

process.on('disconnect', () => process.exit())
process.once('message', (message) => void measure(message).then((result) => process.send(result)))
void ready()

async function ready() {
  for (const lock of locks) await cycle(lock)
  process.send('ready')
}

async function measure({ begin, from, phase, count }) {
  await new Promise((resolve) => setTimeout(resolve, begin - now()))
  const phases = Array.from({ length: count }, () => ({ operations: 0, cpu: 0 }))
  let current = -1
  let used = 0
  for (;;) {
    const index = Math.floor((now() - from) / phase)
    if (index !== current) {
      const { user, system } = process.cpuUsage()
      if (phases[current] !== undefined) phases[current].cpu += user + system - used
      used = user + system
      current = index
    }
    if (index >= count) return phases
    // While the processes warm up, the index is negative.
    await cycle(locks[((index % locks.length) + locks.length) % locks.length])
    if (index >= 0) phases[index].operations += 1
  }
}

async function cycle({ slocket, lockPath }) {
  const lock = await slocket(lockPath, options)
  readSync(descriptor, buffer, 0, NUMBER, 0)
  writeSync(descriptor, buffer, 0, NUMBER, 0)
  await lock.release()
}
