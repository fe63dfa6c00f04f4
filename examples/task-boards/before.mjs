// Tasks on boards, which are JSON files: node before.mjs add BOARD TASK…, or node before.mjs move FROM TO TASK…
import { AsyncLocalStorage } from 'node:async_hooks'
import { mkdir, readFile, realpath, rename, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import lockfile from 'proper-lockfile'

const TIMEOUT_MS = Number(process.env.TIMEOUT_MS ?? 60_000)

/** The locks that the caller holds, by the file that each one is for. */
const callerLocks = new AsyncLocalStorage()

const [command, ...names] = process.argv.slice(2)
if (command === 'add') {
  const [board, ...tasks] = names
  for (const task of tasks) await add(board, task)
} else if (command === 'move') {
  const [from, to, ...tasks] = names
  for (const task of tasks) await move(from, to, task)
} else {
  console.error('usage: node before.mjs add BOARD TASK… | move FROM TO TASK…')
  process.exitCode = 2
}

/** If it is killed half-way, the task is on both boards, and the same command completes the move. */
async function move(from, to, task) {
  await withLocks([from, to], async ([fromFile, toFile]) => {
    if (fromFile === toFile) return
    const tasks = await readTasks(fromFile)
    if (!tasks.includes(task)) throw new Error(`${task} is not on ${from}`)
    await add(to, task)
    await remove(from, task)
  })
}

async function add(board, task) {
  await change(board, (tasks) => [...tasks.filter((one) => one !== task), task])
}

async function remove(board, task) {
  await change(board, (tasks) => tasks.filter((one) => one !== task))
}

/** Changes a board under its lock, or under the one that the caller holds. */
async function change(board, edit) {
  await withLocks([board], async ([file], assertHeld) => {
    const tasks = edit(await readTasks(file))
    assertHeld()
    await writeTasks(file, tasks)
  })
}

/** Locks all boards that the caller hasn't locked, or none. */
async function withLocks(boards, body) {
  const files = await Promise.all(boards.map(fileOf))
  const locks = new Map(callerLocks.getStore())
  const acquired = []
  const deadline = Date.now() + TIMEOUT_MS
  const assertHeld = () => {
    for (const file of files) if (locks.get(file).lost !== undefined) throw locks.get(file).lost
  }
  try {
    // In one order for all processes: otherwise, two of them could wait for each other.
    for (const file of [...new Set(files)].sort((a, b) => (a < b ? -1 : 1))) {
      if (locks.has(file)) continue
      const lock = await acquire(file, deadline)
      acquired.push(lock)
      locks.set(file, lock)
    }
    assertHeld()
    return await callerLocks.run(locks, () => body(files, assertHeld))
  } finally {
    for (const lock of acquired.reverse()) if (lock.lost === undefined) await lock.release()
  }
}

/** Tries again until the deadline. */
async function acquire(file, deadline) {
  const lock = { lost: undefined, release: undefined }
  lock.release = await lockfile.lock(file, {
    realpath: false,
    retries: {
      forever: true,
      factor: 1,
      minTimeout: 50,
      randomize: true,
      maxRetryTime: Math.max(1, deadline - Date.now()),
    },
    onCompromised: (error) => (lock.lost = error),
  })
  return lock
}

/** The file itself, where `board` is a link to it; with its directory, if that is missing. */
async function fileOf(board) {
  try {
    return await realpath(board)
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
    await mkdir(dirname(board), { recursive: true })
    return join(await realpath(dirname(board)), basename(board))
  }
}

async function readTasks(file) {
  try {
    return JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    if (error.code === 'ENOENT') return []
    throw error
  }
}

async function writeTasks(file, tasks) {
  await writeFile(`${file}.new`, JSON.stringify(tasks), { flush: true })
  await rename(`${file}.new`, file)
}
