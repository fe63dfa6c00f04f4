/** What an administrator does to the server, and can see of it. */
import pg from 'pg'

export async function administer(url: string, ...statements: readonly string[]): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url })
  // The server may be ended meanwhile.
  client.on('error', () => {})
  await client.connect()
  try {
    let rows: Record<string, unknown>[] = []
    for (const statement of statements) ({ rows } = await client.query<Record<string, unknown>>(statement))
    return rows
  } finally {
    await client.end()
  }
}

/** Ends the sessions, or their statements, that have said this in their last statement: of a lock, its name. */
export async function terminate(
  url: string,
  text: string,
  end: 'pg_terminate_backend' | 'pg_cancel_backend' = 'pg_terminate_backend',
): Promise<number> {
  const statement = `SELECT ${end}(pid) FROM pg_stat_activity WHERE query LIKE '/*slocket %${text}%' AND pid <> pg_backend_pid()`
  return (await administer(url, statement)).length
}
