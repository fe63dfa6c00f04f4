// Runs test/containers/ with real containers: npm run test:containers -- [--name REGEX] [PATH-PART…]
//
// The containers are those of Podman and runc, rootful, on Debian. scripts/container-image.sh installs what is missing, and makes their image. The machine's Node and this checkout
// are mounted into them.
//
// Everything runs in a mount and pid namespace, and Podman stores everything in memory. So no container and no mount outlives this process, however it
// ends, and this machine's containers aren't touched.
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = fileURLToPath(new URL('..', import.meta.url))
const INSIDE = 'SLOCKET_CONTAINER_ARCHIVE'
const IMAGE = 'localhost/slocket-test'
const env = { ...process.env, PATH: [process.env.PATH, '/usr/sbin', '/sbin'].join(delimiter) }

/** Podman's own settings. */
const SETTINGS = `
[containers]
# Podman asks for more than a container that it runs in may have.
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
[engine]
# There need not be a systemd.
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "runc"
`
/** The directories that Podman writes to. On a tmpfs it can use overlayfs, even if the root of this machine is an overlay. */
const IN_MEMORY = ['/run', '/dev/shm', '/var/lib/containers', '/var/lib/cni']

const { values, positionals } = parseArgs({ allowPositionals: true, options: { name: { type: 'string' } } })

if (process.env[INSIDE] === undefined) outside()
else inside()

/** Runs this script again in its own namespaces. Their first process is a shell, which reaps orphans. */
function outside() {
  if (process.platform !== 'linux' || process.getuid() !== 0 || !isThere('apt-get')) {
    console.log('no container was tried: only root can start them, on Debian')
    return
  }
  const { status, stdout } = spawnSync('bash', [join(root, 'scripts/container-image.sh')], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (status !== 0) fail('Podman could not be installed, or its image not be made: see above')
  const scratch = mkdtempSync(join(tmpdir(), 'slocket-containers-'))
  const namespaces = ['-m', '-p', '-f', '--mount-proc', '--kill-child', '--propagation', 'private']
  const command = [process.execPath, fileURLToPath(import.meta.url), ...process.argv.slice(2)]
  const child = spawn('unshare', [...namespaces, 'bash', '-c', '"$@"; exit $?', 'bash', ...command], {
    stdio: 'inherit',
    env: { ...env, [INSIDE]: stdout.trim(), CONTAINERS_CONF: join(scratch, 'containers.conf') },
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill('SIGKILL'))
  child.on('error', (error) => fail(error.message))
  child.on('exit', (code, signal) => {
    rmSync(scratch, { recursive: true, force: true })
    if (signal !== null) console.error(`scripts/test-containers.js: ended by ${signal}`)
    process.exitCode = code ?? 1
  })
}

function inside() {
  for (const place of IN_MEMORY) {
    mkdirSync(place, { recursive: true })
    run('mount', '-t', 'tmpfs', 'none', place)
  }
  writeFileSync(env.CONTAINERS_CONF, SETTINGS)
  run('podman', 'import', '--quiet', env[INSIDE], IMAGE)
  run('podman', '--version')
  run('runc', '--version')
  const tests = positionals.length > 0 ? positionals : ['test/containers/']
  const only = values.name === undefined ? [] : ['--name', values.name]
  const { status } = spawnSync(process.execPath, [join(root, 'scripts/test.js'), ...tests, ...only], {
    cwd: root,
    stdio: 'inherit',
    env: { ...env, SLOCKET_TEST_CONTAINERS: IMAGE },
  })
  process.exitCode = status ?? 1
}

function run(command, ...parameters) {
  const { status, error } = spawnSync(command, parameters, { env, stdio: ['ignore', 'inherit', 'inherit'] })
  if (status !== 0) fail(`${[command, ...parameters].join(' ')}: ${error?.message ?? status}`)
}

function isThere(tool) {
  return spawnSync('bash', ['-c', `command -v ${tool}`], { env }).status === 0
}

function fail(message) {
  console.error(`scripts/test-containers.js: ${message}`)
  process.exit(1)
}
