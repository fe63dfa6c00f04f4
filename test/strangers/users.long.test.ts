/** Another user of the same machine: what that one can do to a lock, and what not (SECURITY.md). */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import type { Client } from '../helpers/client.ts'
import { Impostor, nameOfTicket } from '../helpers/impostor.ts'
import { ticketsIn, treeOf } from '../helpers/lock-directory.ts'
import { reasonNotRoot } from '../helpers/privileges.ts'
import type { Scene } from '../helpers/scenario.ts'
import { scenario } from '../helpers/scenario.ts'
import { DEADLINE_MS } from '../helpers/until.ts'

const NOBODY = { uid: 65_534, gid: 65_534 }
const MALLORY = { uid: 65_533, gid: 65_533 }
/** Its sockets may be connected to by all. */
const OPEN_HANDED = ['bash', '-c', 'umask 000; exec "$0" "$@"']
const skip = reasonNotRoot()

scenario('a user that may connect but not write can query and wake, no more', { skip }, async (scene) => {
  openScene(scene)
  const holder = await scene.spawn('holder', { wrapper: OPEN_HANDED })
  const waiter = await scene.spawn('waiter', { wrapper: OPEN_HANDED })
  await holder.acquire(scene.path, { label: 'by root' })
  await waiter.enqueue(scene.path)
  const before = treeOf(scene.path)
  const seen = JSON.parse(
    asMallory(
      scene,
      // One that is busy may take longer to answer than a query waits.
      `let seen
      do seen = await slocket.query(path); while (seen.held[0].label === undefined)
      console.log(JSON.stringify(seen))`,
    ),
  ) as {
    held: { label: string }[]
    pending: unknown[]
  }
  assert.deepEqual([seen.held[0]!.label, seen.pending.length], ['by root', 1])
  const [first, second] = ticketsIn(scene.path)
  // It speaks in the name of the holder to the waiter, and hangs up: still nobody is granted.
  asMallory(scene, `await speak(${JSON.stringify(second!.name)}, 'slocket/2 ${first!.member}\\nwake ${second!.id}\\n')`)
  const mallory = await scene.spawn('mallory', MALLORY)
  assert.equal((await mallory.fail(scene.path)).code, 'ERR_SLOCKET_PERMISSION')
  assert.equal(await removedByMallory(scene), '')
  await waiter.ping()
  assert.equal(waiter.hasSaid('granted'), false)
  assert.deepEqual(treeOf(scene.path), before)
  await holder.release()
  await waiter.next('granted')
})

scenario('a user that may not connect sees no more than the names', { skip }, async (scene) => {
  openScene(scene)
  const holder = await scene.spawn('holder')
  await holder.acquire(scene.path, { label: 'by root' })
  const { held } = JSON.parse(asMallory(scene, `console.log(JSON.stringify(await slocket.query(path)))`)) as {
    held: { pid: number; label?: string }[]
  }
  assert.deepEqual([held[0]!.pid, held[0]!.label], [holder.pid, undefined])
})

scenario('a user that may not enter the directory sees nothing', { skip }, async (scene) => {
  openScene(scene)
  const holder = await scene.spawn('holder')
  fs.mkdirSync(scene.path, { mode: 0o700 })
  await holder.acquire(scene.path)
  const seen = asMallory(scene, `await slocket.query(path).catch((error) => console.log(error.code))`)
  assert.equal(seen.trim(), 'ERR_SLOCKET_PERMISSION')
})

scenario("in a sticky directory for all, nobody removes another user's entries", { skip }, async (scene) => {
  const [holder, waiter] = await inSharedDirectory(scene)
  await holder.acquire(scene.path)
  await waiter.enqueue(scene.path)
  const before = ticketsIn(scene.path)
  assert.equal(await removedByMallory(scene), '')
  assert.deepEqual(ticketsIn(scene.path), before)
  await holder.release()
  await waiter.next('granted')
})

scenario(
  'in a sticky directory for all, forged tickets can block others while they live, and never cause two holders',
  { skip },
  async (scene) => {
    const [holder, waiter] = await inSharedDirectory(scene)
    await holder.acquire(scene.path)
    await waiter.enqueue(scene.path)
    const [held, waiting] = ticketsIn(scene.path)
    const { number, member } = held!
    // Dead ones, in the name of the holder's member; a file; a link to the holder's socket; one that lives.
    const dead = await Impostor.listen(scene)
    const living = await Impostor.listen(scene)
    const early = (last: number): string => String(last).padStart(19, '0')
    dead.stand(join(scene.path, nameOfTicket({ number, member, pid: 9_999_999_999 })))
    dead.stand(join(scene.path, nameOfTicket({ number: early(1), member })))
    fs.writeFileSync(join(scene.path, nameOfTicket({ number: early(2) })), '')
    fs.symlinkSync(join(scene.path, held!.name), join(scene.path, nameOfTicket({ number: early(3) })))
    living.stand(join(scene.path, nameOfTicket({ number: early(4) })))
    dead.die()
    const own = new Set([held!.name, waiting!.name, '.members'])
    for (const name of fs.readdirSync(scene.path).filter((one) => !own.has(one))) {
      fs.lchownSync(join(scene.path, name), MALLORY.uid, MALLORY.gid)
    }
    await holder.release()
    await waiter.ping()
    assert.equal(waiter.hasSaid('granted'), false)
    living.die()
    await waiter.next('granted')
  },
)

scenario('directories that an administrator has made for all stay unchanged', { skip }, async (scene) => {
  const [holder] = await inSharedDirectory(scene)
  const nobody = await scene.spawn('nobody', NOBODY)
  for (const client of [holder, nobody, holder, nobody]) {
    await client.acquire(scene.path, { linger: 0 })
    await client.release()
  }
  for (const directory of [scene.path, join(scene.path, '.members')]) {
    assert.equal(fs.lstatSync(directory).mode & 0o7777, 0o1777)
  }
})

interface Squatter {
  put(scene: Scene, path: string): Promise<void> | void
  /** What becomes of an acquire within a second, and of a try; of a user like any other, or of root. */
  readonly is: string
  readonly tried: string
  readonly isForRoot?: string
}

const SQUATTERS: Readonly<Record<string, Squatter>> = {
  'a directory of his own': {
    put: (_, path) => fs.mkdirSync(path, { mode: 0o755 }),
    is: 'ERR_SLOCKET_PERMISSION',
    tried: 'ERR_SLOCKET_PERMISSION',
    isForRoot: 'granted',
  },
  'a directory for all, with a trap in it': {
    put: (scene, path) => {
      fs.mkdirSync(path)
      fs.chmodSync(path, 0o777)
      fs.symlinkSync(join(scene.directory, 'outside'), join(path, '.members'))
    },
    is: 'ERR_SLOCKET_NOT_A_LOCK',
    tried: 'ERR_SLOCKET_NOT_A_LOCK',
  },
  'a file': { put: (_, path) => fs.writeFileSync(path, ''), is: 'ERR_SLOCKET_TIMEOUT', tried: 'refused' },
  'a link to a directory': {
    put: (scene, path) => fs.symlinkSync(join(scene.directory, 'outside'), path),
    is: 'ERR_SLOCKET_NOT_A_LOCK',
    tried: 'ERR_SLOCKET_NOT_A_LOCK',
  },
  'a socket': {
    put: async (scene, path) => (await Impostor.listen(scene)).stand(path),
    is: 'ERR_SLOCKET_TIMEOUT',
    tried: 'refused',
  },
}

scenario(
  'the first user at a path in a directory for all excludes others, with a clear error',
  { skip },
  async (scene) => {
    openScene(scene)
    const parent = join(scene.directory, 'tmp')
    fs.mkdirSync(parent)
    fs.chmodSync(parent, 0o1777)
    const outside = join(scene.directory, 'outside')
    fs.mkdirSync(outside)
    fs.chmodSync(outside, 0o777)
    const untouched = treeOf(outside)
    const clients = await Promise.all([scene.spawn('nobody', NOBODY), scene.spawn('root')])
    for (const [what, { put, is, tried, isForRoot }] of Object.entries(SQUATTERS)) {
      const path = join(parent, what)
      await put(scene, path)
      fs.lchownSync(path, MALLORY.uid, MALLORY.gid)
      for (const client of clients) {
        const before = fs.lstatSync(path).isDirectory() ? treeOf(path) : fs.lstatSync(path).ino
        const outcomes: string[] = []
        for (const wish of ['acquire', 'try'] as const) {
          client.send({ do: wish, path, options: wish === 'try' ? { linger: 0 } : { linger: 0, timeout: 100 } })
          const { event, code } = await client.next('granted|refused|rejected')
          outcomes.push(code ?? event)
          if (event === 'granted') await client.release()
        }
        const isRoot = client.name === 'root' && isForRoot !== undefined
        assert.deepEqual(outcomes, isRoot ? [isForRoot, isForRoot] : [is, tried], `${what}: ${client.name}`)
        if (isRoot) continue
        assert.deepEqual(fs.lstatSync(path).isDirectory() ? treeOf(path) : fs.lstatSync(path).ino, before, what)
      }
    }
    assert.deepEqual(treeOf(outside), untouched)
  },
)

function openScene(scene: Scene): void {
  fs.chmodSync(scene.directory, 0o755)
  fs.chmodSync(scene.journal.file, 0o666)
}

/** As the documentation tells administrators to: `mkdir -m 1777`, for both. Two clients of root, and a place for anybody. */
async function inSharedDirectory(scene: Scene): Promise<[Client, Client]> {
  openScene(scene)
  for (const directory of [scene.path, join(scene.path, '.members')]) {
    fs.mkdirSync(directory)
    fs.chmodSync(directory, 0o1777)
  }
  return await Promise.all([scene.spawn('holder'), scene.spawn('waiter')])
}

/** What a program of another user writes. It has `slocket`, `path`, `fs`, and `speak`. */
function asMallory(scene: Scene, body: string): string {
  const program = `
    import fs from 'node:fs'
    import net from 'node:net'
    import slocket from ${JSON.stringify(new URL('../../src/index.js', import.meta.url).href)}
    const path = ${JSON.stringify(scene.path)}
    const speak = (name, text) => new Promise((resolve) => {
      const socket = net.connect(path + '/' + name, () => socket.write(text))
      socket.on('error', resolve).on('close', resolve).on('data', () => { socket.destroy(); resolve() })
    })
    ${body}`
  return execFileSync(process.execPath, ['--input-type=module', '-e', program], {
    ...MALLORY,
    encoding: 'utf8',
    timeout: DEADLINE_MS,
  })
}

/** Tries to remove, and to rename, whatever is in the lock's directory; gives what that one could. */
async function removedByMallory(scene: Scene): Promise<string> {
  return await Promise.resolve(
    asMallory(
      scene,
      `const done = []
      for (const below of ['', '/.members']) for (const name of fs.readdirSync(path + below)) {
        for (const act of [() => fs.rmSync(path + below + '/' + name, { recursive: true }), () => fs.renameSync(path + below + '/' + name, path + '/x')]) {
          try { act(); done.push(name) } catch {}
        }
      }
      for (const act of [() => fs.rmdirSync(path), () => fs.renameSync(path, path + '2')]) try { act(); done.push(path) } catch {}
      process.stdout.write(done.join())`,
    ),
  )
}
