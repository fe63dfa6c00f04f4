// Tasks on boards, which are JSON files: node after.mjs add BOARD TASK…, or node after.mjs move FROM TO TASK…
import { readFile, rename, writeFile } from 'node:fs/promises'
import slocket, { lockPathFor } from 'slocket'

const WAIT = { parents: true, timeout: Number(process.env.TIMEOUT_MS ?? 60_000) }

const [command, ...names] = process.argv.slice(2)
if (command === 'add') {
  const [board, ...tasks] = names
  for (const task of tasks) await add(board, task)
} else if (command === 'move') {
  const [from, to, ...tasks] = names
  for (const task of tasks) await move(from, to, task)
} else {
  console.error('usage: node after.mjs add BOARD TASK… | move FROM TO TASK…')
  process.exitCode = 2
}

/** If it is killed half-way, the task is on both boards, and the same command completes the move. */
async function move(from, to, task) {
  await slocket.all.with([lockPathFor(from), lockPathFor(to)], WAIT, async () => {
    if (fileOf(from) === fileOf(to)) return
    const tasks = await readTasks(fileOf(from))
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
  await slocket.with(lockPathFor(board), { ...WAIT, reentrant: true }, async (lock) => {
    const tasks = edit(await readTasks(fileOf(board)))
    lock.assertHeld()
    await writeTasks(fileOf(board), tasks)
  })
}

/** The file itself, where `board` is a link to it: a rename would replace the link. */
function fileOf(board) {
  return lockPathFor(board).slice(0, -'.lock'.length)
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
