// Runs tests of crashes on file systems of many kinds: npm run test:file-systems -- [--ci] [--only NAME,…] [--at-once N] [--timeout SECONDS] [--table]
//
// Each file system is mounted in a scratch directory, and the tests make their locks there (TMPDIR). --ci takes a minute and a half: it
// leaves out most of the tests, but no file system. It needs root. On Debian, it installs what is missing. A file system that
// cannot be mounted on this machine is skipped, by name and with the reason. --table writes the results into docs/platforms.md.
// --at-once (4): how many file systems run at a time. --timeout: see scripts/test.js. On a busy machine: --at-once 1 --timeout 1200, with SLOCKET_TEST_DEADLINE_SECONDS=600.
//
// Everything runs in a mount and pid namespace, so that no mount and no daemon outlives this process, however it ends.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { writeTable } from './file-systems-table.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const INSIDE = 'SLOCKET_IN_NAMESPACE'
/** True if scripts/virtual-machine.sh has started this. */
const isVirtualMachine = process.env.SLOCKET_IN_VIRTUAL_MACHINE !== undefined

/** How long anything that must happen may take: see test/helpers/until.ts. */
const DEADLINE_MS = Number(process.env.SLOCKET_TEST_DEADLINE_SECONDS ?? 60) * 1000
/** How long one command to mount a file system may take. */
const MOUNT_MS = 120_000

/** The tests that --ci runs on each file system, and those that run without it. */
const IN_CI = ['test/crash/contention']
const ALL = [...IN_CI, 'test/crash/kill', 'test/crash/order', 'test/crash/stop', 'test/web-locks/steal']

/**
 * Each file system is mounted at `at`, by commands that run one after the other in `dir`, an empty directory. `kernel`: a file system that the kernel must support. If this
 * kernel doesn't, it is skipped by name: others do. `tools`: the package of each program, the most important program first.
 * `refused`: the error code of an acquire. `isOfMachine`: it needs the virtual machine of scripts/virtual-machine.sh.
 */
const FILE_SYSTEMS = {
  ext4: onLoop('mkfs.ext4 -q'),
  'ext4 without dir_index': onLoop('mkfs.ext4 -q -O ^has_journal,^dir_index -b 1024', { type: 'ext4' }),
  'ext4 with casefold': onLoop('mkfs.ext4 -q -O casefold', {
    type: 'ext4',
    also: ['mkdir at/lower', 'chattr +F at/lower'],
    below: 'lower',
  }),
  xfs: onLoop('mkfs.xfs -q', { size: '400M', tools: { 'mkfs.xfs': 'xfsprogs' } }),
  btrfs: onLoop('mkfs.btrfs -q', { size: '300M', tools: { 'mkfs.btrfs': 'btrfs-progs' } }),
  f2fs: onLoop('mkfs.f2fs -q', { tools: { 'mkfs.f2fs': 'f2fs-tools' } }),
  jfs: onLoop('mkfs.jfs -q', { tools: { 'mkfs.jfs': 'jfsutils' } }),
  nilfs2: onLoop('mkfs.nilfs2 -q', { size: '200M', tools: { 'mkfs.nilfs2': 'nilfs-tools' } }),
  udf: onLoop('mkfs.udf', { tools: { 'mkfs.udf': 'udftools' } }),
  tmpfs: { kernel: 'tmpfs', mount: ['mount -t tmpfs none at'] },
  ramfs: { kernel: 'ramfs', mount: ['mount -t ramfs none at'] },
  overlayfs: {
    kernel: 'overlay',
    // An overlay can't be the upper layer of another overlay, and the root of a container often is an overlay.
    mount: [
      'mount -t tmpfs none parts',
      'mkdir parts/lower parts/upper parts/work',
      'mount -t overlay none -o lowerdir=parts/lower,upperdir=parts/upper,workdir=parts/work at',
    ],
  },
  'ntfs-3g': onLoop('mkfs.ntfs -q -F', { type: 'ntfs-3g', tools: { 'ntfs-3g': 'ntfs-3g', 'mkfs.ntfs': 'ntfs-3g' } }),
  'ntfs-3g with permissions': onLoop('mkfs.ntfs -q -F', {
    type: 'ntfs-3g',
    options: 'permissions',
    tools: { 'ntfs-3g': 'ntfs-3g' },
  }),
  'lowntfs-3g': onLoop('mkfs.ntfs -q -F', { type: 'lowntfs-3g', tools: { 'lowntfs-3g': 'ntfs-3g' } }),
  bindfs: { tools: { bindfs: 'bindfs' }, mount: ['bindfs -o subtype=bindfs parts at'] },
  mergerfs: {
    tools: { mergerfs: 'mergerfs' },
    mount: ['mkdir parts/a parts/b', 'mergerfs parts/a:parts/b at'],
  },
  'mergerfs, most free space': {
    tools: { mergerfs: 'mergerfs' },
    mount: ['mkdir parts/a parts/b', 'mergerfs -o category.create=mfs parts/a:parts/b at'],
  },
  'unionfs-fuse': {
    tools: { 'unionfs-fuse': 'unionfs-fuse' },
    mount: ['mkdir parts/a parts/b', 'unionfs-fuse -o cow parts/a=RW:parts/b=RO at'],
  },
  encfs: { tools: { encfs: 'encfs' }, mount: ['encfs --standard --extpass=./password $PWD/parts $PWD/at'] },
  gocryptfs: {
    tools: { gocryptfs: 'gocryptfs' },
    mount: ['gocryptfs -q -init -extpass ./password parts', 'gocryptfs -q -extpass ./password parts at'],
  },
  'fuse-overlayfs': {
    tools: { 'fuse-overlayfs': 'fuse-overlayfs' },
    mount: [
      'mkdir parts/lower parts/upper parts/work',
      'fuse-overlayfs -o lowerdir=parts/lower,upperdir=parts/upper,workdir=parts/work at',
    ],
  },
  vfat: { ...onLoop('mkfs.vfat', { tools: { 'mkfs.vfat': 'dosfstools' } }), refused: 'ERR_SLOCKET_NO_SOCKETS' },
  exfat: { ...onLoop('mkfs.exfat', { tools: { 'mkfs.exfat': 'exfatprogs' } }), refused: 'ERR_SLOCKET_NO_SOCKETS' },
  'exfat-fuse': {
    ...onLoop('mkfs.exfat', {
      type: 'exfat-fuse',
      tools: { 'mount.exfat-fuse': 'exfat-fuse', 'mkfs.exfat': 'exfatprogs' },
    }),
    refused: 'ERR_SLOCKET_NO_SOCKETS',
  },
  'bindfs without a subtype': {
    tools: { bindfs: 'bindfs' },
    mount: ['bindfs parts at'],
    refused: 'ERR_SLOCKET_NETWORK_FILE_SYSTEM',
  },
  '9p': {
    kernel: '9p',
    isOfMachine: true,
    mount: ['mount -t 9p -o trans=virtio,version=9p2000.L slocket-9p at'],
    refused: 'ERR_SLOCKET_NETWORK_FILE_SYSTEM',
  },
  virtiofs: {
    kernel: 'virtiofs',
    isOfMachine: true,
    mount: ['mount -t virtiofs slocket-virtiofs at'],
    refused: 'ERR_SLOCKET_NETWORK_FILE_SYSTEM',
  },
  nfs: {
    kernel: 'nfs',
    isOfMachine: true,
    tools: { 'rpc.nfsd': 'nfs-kernel-server' },
    // The server is in this kernel.
    mount: [
      'modprobe nfsd',
      'mount -t nfsd none /proc/fs/nfsd',
      'exportfs -i -o rw,no_root_squash,no_subtree_check,insecure,fsid=0 127.0.0.1:$PWD/parts',
      'rpc.nfsd --no-nfs-version 3 --grace-time 10 --lease-time 10 1',
      'rpc.mountd --no-nfs-version 3',
      'mount -t nfs4 127.0.0.1:/ at',
    ],
    refused: 'ERR_SLOCKET_NETWORK_FILE_SYSTEM',
  },
  cifs: {
    kernel: 'cifs',
    isOfMachine: true,
    tools: { smbd: 'samba' },
    mount: [
      'mkdir samba',
      `for part in {lock,state,cache,pid}\\ directory {private,ncalrpc}\\ dir; do echo "$part = $PWD/samba" >>config; done`,
      "printf '%s\\n' 'disable netbios = yes' 'load printers = no' 'map to guest = bad user' 'guest account = root' >>config",
      'echo "log file = $PWD/samba/log" >>config',
      "printf '[parts]\\npath = %s\\nguest ok = yes\\nread only = no\\n' $PWD/parts >>config",
      'smbd -D -s config',
      // The daemon doesn't say when it is ready.
      'until mount -i -t cifs -o ip=127.0.0.1,username=nobody,password= //127.0.0.1/parts at; do sleep 1; done',
    ],
    refused: 'ERR_SLOCKET_NETWORK_FILE_SYSTEM',
  },
  sshfs: {
    // The server is a child process: no network is needed.
    tools: { sshfs: 'sshfs', '/usr/lib/openssh/sftp-server': 'openssh-sftp-server' },
    mount: [
      "printf '#!/bin/sh\\nexec /usr/lib/openssh/sftp-server\\n' >ssh && chmod +x ssh",
      'sshfs -o ssh_command=$PWD/ssh nowhere:$PWD/parts at',
    ],
    refused: 'ERR_SLOCKET_NETWORK_FILE_SYSTEM',
  },
}

function onLoop(make, { size = '64M', type, options = 'loop', also = [], below, tools = {} } = {}) {
  const name = type ?? make.split(' ')[0].replace('mkfs.', '')
  const all = options === 'loop' ? options : `loop,${options}`
  const isFuse = `mount.${name}` in tools || name in tools
  return {
    kernel: isFuse ? 'fuseblk' : name,
    tools,
    below,
    mount: [`truncate -s ${size} image`, `${make} image`, `mount -t ${name} -o ${all} image at`, ...also],
  }
}

const { values } = parseArgs({
  options: {
    ci: { type: 'boolean', default: false },
    only: { type: 'string' },
    // The tests mostly wait.
    'at-once': { type: 'string', default: '4' },
    timeout: { type: 'string', default: '120' },
    table: { type: 'boolean', default: false },
  },
})
const names = values.only?.split(',') ?? Object.keys(FILE_SYSTEMS)
if (!(Number(values['at-once']) >= 1)) fail('--at-once takes a number from 1 on')
for (const name of names)
  if (!(name in FILE_SYSTEMS)) fail(`no file system '${name}': ${Object.keys(FILE_SYSTEMS).join(', ')}`)

const env = { ...process.env, PATH: [process.env.PATH, '/usr/sbin', '/sbin'].join(delimiter) }

if (process.env[INSIDE] === undefined) outside()
else await inside()

/** Runs this script again in its own namespaces. Their first process is a shell, which reaps orphans. */
function outside() {
  if (process.platform !== 'linux' || process.getuid() !== 0) {
    console.log('no file system was tried: only root can mount them, on Linux')
    return
  }
  installMissing()
  const scratch = mkdtempSync(join(tmpdir(), 'slocket-fs-'))
  const namespaces = ['-m', '-p', '-f', '--mount-proc', '--kill-child', '--propagation', 'private']
  const command = [process.execPath, fileURLToPath(import.meta.url), ...process.argv.slice(2)]
  const child = spawn('unshare', [...namespaces, 'bash', '-c', '"$@"; exit $?', 'bash', ...command], {
    stdio: 'inherit',
    env: { ...env, [INSIDE]: scratch },
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill('SIGKILL'))
  child.on('error', (error) => fail(error.message))
  child.on('exit', (status, signal) => {
    rmSync(scratch, { recursive: true, force: true })
    if (signal !== null) console.error(`scripts/test-file-systems.js: ended by ${signal}`)
    process.exitCode = status ?? 1
  })
}

async function inside() {
  const results = []
  const left = names.map((name, index) => [name, join(process.env[INSIDE], String(index))])
  const work = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) results.push(await tryOn(...next))
  }
  await Promise.all(Array.from({ length: Number(values['at-once']) }, work))
  console.log(`\n${results.map(({ outcome, text }) => `${outcome.padEnd(7)}  ${text}`).join('\n')}`)
  if (values.table)
    writeTable(
      names.flatMap((name) => results.filter((result) => result.name === name)),
      values.ci,
    )
  if (results.every(({ outcome }) => outcome === 'skipped')) fail('nothing could be mounted')
  if (results.some(({ outcome }) => outcome === 'FAILED')) process.exitCode = 1
}

async function tryOn(name, dir) {
  const { tools = {}, mount, below = '.', refused } = FILE_SYSTEMS[name]
  for (const part of ['parts', 'at']) mkdirSync(join(dir, part), { recursive: true })
  writeFileSync(join(dir, 'password'), '#!/bin/sh\necho secret\n', { mode: 0o755 })
  const reason = reasonWithout(name) ?? mountAll(mount, dir)
  if (reason !== undefined) {
    console.log(`\n=== ${name}: skipped: ${reason}`)
    return { name, outcome: 'skipped', reason, text: `${name}: ${reason}` }
  }
  const start = performance.now()
  const at = join(dir, 'at', below)
  const how = refused ?? (linksLead(at) ? 'links' : 'sockets')
  const { passed, said } = refused === undefined ? await runTests(at) : await isRefused(at, refused)
  const seconds = ((performance.now() - start) / 1000).toFixed(1)
  const outcome = passed ? 'passed' : 'FAILED'
  const text = `${name}, ${seconds} s: ${how}`
  console.log(`\n=== ${outcome}: ${text}\n\n${said}`)
  for (const place of ['at', 'parts']) spawnSync('umount', ['-l', join(dir, place)])
  return {
    name,
    outcome,
    text,
    how,
    package: Object.values(tools)[0],
    isOfKernel: FILE_SYSTEMS[name].kernel !== undefined && FILE_SYSTEMS[name].kernel !== 'fuseblk',
  }
}

/** The reason why it can't be tried. */
function reasonWithout(name) {
  const { kernel, isOfMachine = false, tools = {} } = FILE_SYSTEMS[name]
  if (kernel !== undefined && !isInKernel(kernel)) return `the kernel has no ${kernel}`
  if (isOfMachine && !isVirtualMachine) return 'only scripts/virtual-machine.sh tries it'
  const missing = Object.keys(tools).find((tool) => !isThere(tool))
  return missing === undefined ? undefined : `${missing} is not installed`
}

/** True if a hard link to a socket works there, according to `slocket doctor`. */
function linksLead(at) {
  const { stdout } = spawnSync(process.execPath, [join(root, 'build/src/cli/main.js'), 'doctor', at], {
    encoding: 'utf8',
  })
  const ticket = /^(?:ok|note) +ticket: a (hard link to a listening socket|listening socket of its own)$/m.exec(
    stdout,
  )?.[1]
  if (ticket === undefined) throw new Error(`slocket doctor does not say what a ticket is:\n${stdout}`)
  return ticket.startsWith('hard link')
}

/** The reason why it can't be mounted here. Daemons continue, so their output goes to a file. */
function mountAll(commands, dir) {
  for (const command of commands) {
    const log = openSync(join(dir, 'log'), 'w')
    const options = { cwd: dir, env, stdio: ['ignore', log, log], timeout: MOUNT_MS, killSignal: 'SIGKILL' }
    const { status } = spawnSync('bash', ['-c', command], options)
    closeSync(log)
    if (status !== 0)
      return `${command}: ${readFileSync(join(dir, 'log'), 'utf8').replaceAll(`${dir}/`, '').trim().split('\n')[0]}`
  }
  return undefined
}

async function runTests(at) {
  const tests = values.ci ? IN_CI : ALL
  const child = spawn(process.execPath, [join(root, 'scripts/test.js'), ...tests, '--timeout', values.timeout], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...env, TMPDIR: at },
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (said += text))
  const [status] = await once(child, 'close')
  return { passed: status === 0, said }
}

/** Checks that an acquire fails with the error and leaves nothing behind, that `slocket doctor` agrees, and that the drop-ins still exclude processes. */
async function isRefused(at, code) {
  const index = pathToFileURL(join(root, 'build/src/index.js')).href
  const program = `
    const { default: slocket } = await import(${JSON.stringify(index)})
    try { await slocket(${JSON.stringify(join(at, 'lock'))}); console.log('granted') } catch (error) { console.log(error.code) }`
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  const left = readdirSync(at)
  const doctor = spawnSync(process.execPath, [join(root, 'build/src/cli/main.js'), 'doctor', at], { encoding: 'utf8' })
  const dropIns = await contendByDropIns(at)
  return {
    passed: stdout.trim() === code && left.length === 0 && doctor.status === 1 && dropIns === 'none',
    said: `an acquire gives: ${stdout.trim()}; left behind: ${left.join(' ') || 'nothing'}; status of slocket doctor: ${doctor.status}; faults of the drop-ins: ${dropIns}`,
  }
}

/** Four processes count under each drop-in, with a lock that is stale at first. Returns the faults. */
async function contendByDropIns(at) {
  const rounds = 15
  // Two seconds, unless processes may be later than usual: a process that is as late as the stale age loses the lock.
  const staleMs = Math.round(DEADLINE_MS / 30)
  const [properLockfile, lockfile] = ['proper-lockfile', 'lockfile'].map((name) =>
    JSON.stringify(pathToFileURL(join(root, `build/src/compat/${name}.js`)).href),
  )
  const program = `
    import fs from 'node:fs'
    import { promisify } from 'node:util'
    import properLockfile from ${properLockfile}
    import lockFile from ${lockfile}
    process.chdir(${JSON.stringify(at)})
    const count = async (name) => {
      fs.mkdirSync(name + '.inside')
      const before = Number(fs.readFileSync(name, 'utf8'))
      await new Promise((resolve) => setTimeout(resolve, 1))
      fs.writeFileSync(name, String(before + 1))
      fs.rmdirSync(name + '.inside')
    }
    for (let round = 0; round < ${rounds}; round += 1) {
      const release = await properLockfile.lock('one', { stale: ${staleMs}, retries: { forever: true } })
      if (release.kind !== 'mkdir') throw new Error('a lock of kind ' + release.kind)
      await count('one')
      await release()
      await promisify(lockFile.lock)('two.lock', { wait: 600_000, pollPeriod: 5 })
      await count('two')
      lockFile.unlockSync('two.lock')
    }
    // Longer than the stale age, unless the lock is renewed.
    const release = await properLockfile.lock('one', { stale: ${staleMs}, retries: { forever: true } })
    await count('one')
    await new Promise((resolve) => setTimeout(resolve, ${staleMs + 500}))
    await release()`
  for (const name of ['one', 'two']) writeFileSync(join(at, name), '0')
  mkdirSync(join(at, 'one.lock'))
  const ended = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
        stdio: ['ignore', 'ignore', 'pipe'],
        timeout: 2 * DEADLINE_MS,
        killSignal: 'SIGKILL',
      })
      let said = ''
      child.stderr.setEncoding('utf8').on('data', (text) => (said += text))
      const [status] = await once(child, 'close')
      return status === 0 ? '' : said || 'a process did not end'
    }),
  )
  const counts = ['one', 'two'].map((name) => readFileSync(join(at, name), 'utf8'))
  const faults = ended.filter((said) => said !== '')
  if (String(counts) !== String([4 * (rounds + 1), 4 * rounds])) faults.push(`counts of ${counts.join(' and ')}`)
  const left = readdirSync(at).filter((name) => name !== 'one' && name !== 'two')
  if (left.length > 0) faults.push(`left behind: ${left.join(' ')}`)
  return faults.join('; ') || 'none'
}

function isThere(tool) {
  return spawnSync('bash', ['-c', `command -v ${tool}`], { env }).status === 0
}

/** Built in, loaded, or loadable. */
function isInKernel(type) {
  const has = () => new RegExp(`\\s${type}$`, 'm').test(readFileSync('/proc/filesystems', 'utf8'))
  if (!has()) spawnSync('modprobe', ['-q', type], { env })
  return has()
}

function installMissing() {
  // The machine has no network.
  if (isVirtualMachine) return
  const possible = names.filter(
    (name) =>
      !FILE_SYSTEMS[name].isOfMachine &&
      (FILE_SYSTEMS[name].kernel === undefined || isInKernel(FILE_SYSTEMS[name].kernel)),
  )
  const tools = possible.flatMap((name) => Object.entries(FILE_SYSTEMS[name].tools ?? {}))
  const packages = [...new Set(tools.filter(([tool]) => !isThere(tool)).map(([, name]) => name))]
  if (packages.length === 0) return
  if (!isThere('apt-get')) {
    console.log(`not installed, and only Debian's packages are known here: ${packages.join(' ')}`)
    return
  }
  // One by one, so that a missing one only skips its file system.
  for (const name of ['fuse3', ...packages]) {
    console.log(`> scripts/apt-install.sh ${name}`)
    spawnSync('bash', [join(root, 'scripts/apt-install.sh'), name], { stdio: ['ignore', 'ignore', 'inherit'], env })
  }
}

function fail(message) {
  console.error(`scripts/test-file-systems.js: ${message}`)
  process.exit(1)
}
