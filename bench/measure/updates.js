// Updates a JSON file under a lock a number of times, as a program does that keeps its state in a file.
import { readFile, writeFile } from 'node:fs/promises'
import { load } from '../contestants/index.js'
import { options, send, receive } from './messages.js'

const { contestant, path, file, updates, retries } = options
const lock = (await load(contestant)).open(path, retries === undefined ? {} : { retries })
send('ready')
await receive()
for (let done = 0; done < updates; done += 1) {
  const held = await lock.acquire()
  const state = JSON.parse(await readFile(file, 'utf8'))
  await writeFile(file, JSON.stringify({ ...state, updates: state.updates + 1 }))
  await lock.release(held)
}
send('done')
await lock.close?.()
