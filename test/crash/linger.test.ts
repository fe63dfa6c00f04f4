/** How long a process stays in the directory of a lock that it no longer uses. */
import fs from 'node:fs'
import { scenario } from '../helpers/scenario.ts'
import { until } from '../helpers/until.ts'

const LONG_MS = 60_000
const SHORT_MS = 50

scenario(
  'after a release with a short linger the directory goes soon, however long the previous linger was',
  async (scene) => {
    const client = await scene.spawn('client')
    for (const linger of [LONG_MS, SHORT_MS]) {
      await client.acquire(scene.path, { linger })
      await client.release()
    }
    await until('the directory is gone', () => !fs.existsSync(scene.path), LONG_MS / 12)
  },
)
