// Runs the tests of the engines that need servers: npm run test:engines -- [--ci] [options of scripts/test.js…]
//
// Starts the servers (scripts/engines.sh), runs the tests that need them (list-tests.js), and stops the servers: they
// end with this process, however it ends. --ci leaves out *.long.test.ts. Six files run at a time, unless --concurrency says otherwise:
// they mostly wait for leases to run out.
import { spawn, spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const engines = join(root, 'scripts/engines.sh')

const up = spawnSync('bash', [engines, 'up', '--owner', String(process.pid)], {
  encoding: 'utf8',
  stdio: ['ignore', 'pipe', 'inherit'],
})
if (up.status !== 0) {
  console.error('scripts/test-engines.js: the servers did not start')
  process.exit(1)
}
const addresses = Object.fromEntries(
  [...up.stdout.matchAll(/^export (\w+)=(.*)$/gm)].map(([, name, value]) => [name, value]),
)

const parameters = ['--engines', '--concurrency', '6', ...process.argv.slice(2)]
const tests = spawn(process.execPath, [join(dirname(engines), 'test.js'), ...parameters], {
  env: { ...process.env, ...addresses },
  // Nothing is sent over the last pipe. Its end tells the tests that this process has been killed.
  stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  // A process group, since each test file has its own process, which would continue otherwise.
  detached: true,
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, killTests)
tests.on('error', (error) => end(1, error))
tests.on('exit', (code, signal) => end(code ?? 1, signal === null ? undefined : `the tests were ended by ${signal}`))

/** Signals the processes of the group that are left. */
function killTests() {
  try {
    if (tests.pid !== undefined) process.kill(-tests.pid, 'SIGKILL')
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}

function end(code, reason) {
  if (reason !== undefined) console.error(reason)
  killTests()
  const down = spawnSync('bash', [engines, 'down', addresses.SLOCKET_ENGINES], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  process.exit(down.status === 0 ? code : 1)
}
