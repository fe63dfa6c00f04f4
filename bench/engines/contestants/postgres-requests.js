// A floor, though it is a lock: the two bare queries over one connection, without a heartbeat, a token, or a limit to any wait.
import pg from 'pg'

const KEY = '4711471147114711'

export async function open({ postgres: connectionString }) {
  const client = new pg.Client({ connectionString })
  client.on('error', () => {})
  await client.connect()
  return {
    acquire: () => client.query({ name: 'lock', text: 'select pg_advisory_lock($1)', values: [KEY] }),
    release: () => client.query({ name: 'unlock', text: 'select pg_advisory_unlock($1)', values: [KEY] }),
    isHeld: () => true,
    close: () => client.end(),
  }
}
