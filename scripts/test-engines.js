// Runs the tests of the engines that need servers: npm run test:engines -- [--ci] [what scripts/test.js takes…]
//
// Starts the servers (scripts/engines.sh), runs the tests that need them (list-tests.js), and stops the servers, whatever
// happens: they end with this process. --ci leaves out *.long.test.ts. Six files at a time, unless --concurrency says otherwise: what
// they do most is wait, for leases that have to run out.
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
  // Over the last one nothing is said. Its end tells the tests that this process has been killed.
  stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  // A process group, since each test file is a process of its own, which would go on.
  detached: true,
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, killTests)
tests.on('error', (error) => end(1, error))
tests.on('exit', (code, signal) => end(code ?? 1, signal === null ? undefined : `the tests were ended by ${signal}`))

/** All of the group that there still are. */
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
