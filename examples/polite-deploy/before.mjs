// Deploys, one at a time, and says whom it waits for: node before.mjs NAME [--take PID]
import { readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import lockfile from 'proper-lockfile'

const RETRY_MS = 100
const NOTICE_MS = 1000
/** What others can read of the holder. */
const HOLDER = 'deploy.holder.json'

const [name, , hung] = process.argv.slice(2)
const timeout = Number(process.env.TIMEOUT_MS ?? 600_000)
const seconds = Number(process.env.DEPLOY_SECONDS ?? 10)

try {
  if (hung !== undefined) await take(Number(hung))
  await withLock(deploy)
  console.log(`${name} is deployed`)
} catch (error) {
  if (error.code === 'ETIMEDOUT') {
    console.error(`gave up; ${describe(error.holder)}`)
    process.exitCode = 75
  } else if (error.code === 'ECOMPROMISED') {
    console.error(`${name} is not deployed: somebody took the lock away`)
    process.exitCode = 1
  } else throw error
}

async function withLock(body) {
  const lock = await acquire()
  try {
    await writeHolder()
    await body(lock)
    lock.assertHeld()
  } finally {
    if (lock.lost === undefined) {
      await rm(HOLDER, { force: true })
      await lock.release()
    }
  }
}

/** Tries again and again, and says whom it waits for: after a second, and then on change. */
async function acquire() {
  const startMs = performance.now()
  let told
  for (;;) {
    const lock = await tryOnce()
    if (lock !== undefined) return lock
    const holder = await readHolder()
    const waitedMs = performance.now() - startMs
    if (waitedMs > timeout) throw Object.assign(new Error('timed out'), { code: 'ETIMEDOUT', holder })
    if (waitedMs > NOTICE_MS && describe(holder) !== told) {
      told = describe(holder)
      console.error(`waiting; ${told}`)
    }
    await sleep(RETRY_MS)
  }
}

async function tryOnce() {
  const lock = {
    lost: undefined,
    release: undefined,
    assertHeld() {
      if (lock.lost !== undefined) throw lock.lost
    },
  }
  try {
    lock.release = await lockfile.lock('deploy', {
      realpath: false,
      update: 1000,
      onCompromised: (error) => (lock.lost = error),
    })
    return lock
  } catch (error) {
    if (error.code === 'ELOCKED') return undefined
    throw error
  }
}

/** A reader sees all of it, or that of the holder before. */
async function writeHolder() {
  const holder = { pid: process.pid, label: name, since: new Date() }
  await writeFile(`${HOLDER}.new`, JSON.stringify(holder))
  await rename(`${HOLDER}.new`, HOLDER)
}

async function readHolder() {
  try {
    return JSON.parse(await readFile(HOLDER, 'utf8'))
  } catch (error) {
    if (error.code === 'ENOENT') return undefined
    throw error
  }
}

function describe(holder) {
  if (holder === undefined) return 'nobody deploys'
  const { pid, label, since } = holder
  return `process ${pid} deploys ${label}, since ${since}`
}

/** Takes the lock away from that process, if it holds it; and from the next holder, if that comes just now. */
async function take(pid) {
  const holder = await readHolder()
  const isHeld = await lockfile.check('deploy', { realpath: false })
  if (!isHeld || holder?.pid !== pid) return console.error(`process ${pid} does not hold the lock`)
  await rm(HOLDER, { force: true })
  await rmdir('deploy.lock')
  console.error(`taken from process ${pid}`)
}

/** Stands for the work. */
async function deploy(lock) {
  console.log(`deploying ${name}`)
  for (let second = 0; second < seconds; second += 1) {
    await sleep(1000)
    lock.assertHeld()
  }
}
