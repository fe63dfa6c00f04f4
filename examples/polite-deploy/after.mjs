// Deploys, one at a time, and says whom it waits for: node after.mjs NAME [--take PID]
import { setTimeout as sleep } from 'node:timers/promises'
import slocket, { isSlocketError } from 'slocket'

const [name, , hung] = process.argv.slice(2)
const timeout = Number(process.env.TIMEOUT_MS ?? 600_000)
const seconds = Number(process.env.DEPLOY_SECONDS ?? 10)

try {
  if (hung !== undefined) await take(Number(hung))
  await slocket.with('deploy.lock', { label: name, timeout, onWait }, deploy)
  console.log(`${name} is deployed`)
} catch (error) {
  if (isSlocketError(error, 'ERR_SLOCKET_TIMEOUT')) {
    console.error(`gave up; ${describe(error.held)}`)
    process.exitCode = 75
  } else if (isSlocketError(error, 'ERR_SLOCKET_LOST')) {
    console.error(`${name} is not deployed: somebody took the lock away`)
    process.exitCode = 1
  } else throw error
}

function onWait({ held }) {
  console.error(`waiting; ${describe(held)}`)
}

function describe(held) {
  if (held.length === 0) return 'nobody deploys'
  const [{ pid, label, since }] = held
  return `process ${pid} deploys ${label ?? 'something'}, since ${since?.toISOString()}`
}

/** Takes the lock away from that process, if it holds it, and from no other one. */
async function take(pid) {
  const lost = await slocket.break('deploy.lock', { confirm: (held) => held.every((holder) => holder.pid === pid) })
  console.error(lost.length > 0 ? `taken from process ${pid}` : `process ${pid} does not hold the lock`)
}

/** Stands for the work. */
async function deploy(lock) {
  console.log(`deploying ${name}`)
  for (let second = 0; second < seconds; second += 1) {
    await sleep(1000)
    lock.assertHeld()
  }
}
