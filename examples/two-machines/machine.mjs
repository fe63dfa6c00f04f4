// Adds one to a counter in a database, so many times: DATABASE_URL=postgres://… node machine.mjs TIMES
import { hostname } from 'node:os'
import slocket from 'slocket'
import { postgres } from 'slocket/postgres'
import { openCounter } from './store.mjs'

const connectionString = process.env.DATABASE_URL
const times = Number(process.argv[2] ?? 1)
if (!connectionString || !(times >= 0)) {
  console.error('usage: DATABASE_URL=postgres://USER@HOST/DATABASE node machine.mjs TIMES')
  process.exit(2)
}

// One engine for a process. All machines give the same name to the lock.
const engine = postgres({ connectionString })
const counter = await openCounter(connectionString)

try {
  for (let time = 0; time < times; time += 1) {
    await slocket.with('counter', { engine, label: hostname(), timeout: 60_000 }, async (lock) => {
      const value = (await counter.read(lock.token)) + 1
      lock.assertHeld()
      await counter.write(value, lock.token)
      console.log(value)
    })
  }
} finally {
  await counter.close()
}
