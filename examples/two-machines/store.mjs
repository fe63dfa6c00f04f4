// A counter in PostgreSQL, which refuses the late write of a holder that has lost its lock.
import pg from 'pg'

/** `token` is the fencing token of the lock: `lock.token`. */
export async function openCounter(connectionString) {
  const client = new pg.Client({ connectionString })
  await client.connect()
  // A migration's task, were it not an example. The advisory lock: two CREATE TABLE IF NOT EXISTS at a time can fail.
  await client.query(`
    BEGIN;
    SELECT pg_advisory_xact_lock(hashtext('example_counter'));
    CREATE TABLE IF NOT EXISTS example_counter (id int PRIMARY KEY, value int NOT NULL, fence bigint NOT NULL);
    INSERT INTO example_counter VALUES (1, 0, 0) ON CONFLICT DO NOTHING;
    COMMIT`)

  return {
    /**
     * Reads the value, and from then on refuses the writes of earlier holders: one that came between this read and the write that follows
     * would be lost.
     */
    async read(token) {
      const { rows } = await client.query(
        'UPDATE example_counter SET fence = $1 WHERE id = 1 AND fence <= $1 RETURNING value',
        [token],
      )
      if (rows.length === 0) throw new Error(`refused: a later holder than token ${token} has read`)
      return rows[0].value
    },

    /** Writes the value, if nobody has read it since with a later token. */
    async write(value, token) {
      const { rowCount } = await client.query('UPDATE example_counter SET value = $1 WHERE id = 1 AND fence = $2', [
        value,
        token,
      ])
      if (rowCount === 0) throw new Error(`refused: a later holder than token ${token} has read`)
    },

    async close() {
      await client.end()
    },
  }
}
