// Notifications of thefts: nobody needs to check the queue at intervals.
import assert from 'node:assert/strict'
import type { WebClient } from '../helpers/web-client.ts'
import { betweenProcesses } from '../helpers/web-client.ts'

const NO_LOOK = new URL('../fixtures/no-look.js', import.meta.url).href

betweenProcesses('victims, and requests that wait for them, are notified of a theft, and of its end', async (scene) => {
  const start = (): Promise<WebClient> => scene.start('process', NO_LOOK)
  const [a, b, c, thief] = await Promise.all([start(), start(), start(), start()])
  for (const mode of ['exclusive', 'shared'] as const) {
    for (const hasWaiters of [false, true]) {
      const name = `${mode} ${hasWaiters}`
      await a.hold(name, { mode })
      if (mode === 'shared') await c.hold(name, { mode })
      // With the same ticket, if that is exclusive.
      if (hasWaiters) await a.wait(name, {}, `${name} again`)
      await b.wait(name)
      await thief.hold(name, { steal: true })
      assert.equal((await a.next('rejected', name)).kind, 'AbortError')
      if (mode === 'shared') assert.equal((await c.next('rejected', name)).kind, 'AbortError')
      await thief.end(name)
      if (hasWaiters) {
        await a.next('called', `${name} again`)
        await a.end(`${name} again`)
      }
      await b.next('called', name)
      await b.end(name)
    }
  }
})

betweenProcesses(
  'a thief that becomes a victim is notified, and so is a request that waits behind both',
  async (scene) => {
    const start = (): Promise<WebClient> => scene.start('process', NO_LOOK)
    const [a, b, c] = await Promise.all([start(), start(), start()])
    await a.hold('lock', { steal: true })
    await c.wait('lock')
    await b.hold('lock', { steal: true })
    assert.equal((await a.next('rejected', 'lock')).kind, 'AbortError')
    await b.end('lock')
    await c.next('called', 'lock')
  },
)

const noStop = process.platform === 'win32' && 'Windows stops no process by a signal'

betweenProcesses(
  'a request that waited for a stopped victim is notified by the tickets ahead of it',
  { skip: noStop },
  async (scene) => {
    const start = (): Promise<WebClient> => scene.start('process')
    const others = [start(), start(), start(), start()] as const
    const waiter = await scene.start('process', NO_LOOK)
    const [first, ahead, victim, thief] = await Promise.all(others)
    await first.hold('lock')
    await ahead.wait('lock', { mode: 'shared' })
    await victim.wait('lock', { mode: 'shared' })
    await waiter.wait('lock')
    process.kill(ahead.pid, 'SIGSTOP')
    await first.end('lock')
    await victim.next('called', 'lock')
    process.kill(victim.pid, 'SIGSTOP')
    await thief.hold('lock', { steal: true })
    await thief.end('lock')
    ahead.continue()
    await ahead.next('called', 'lock')
    await ahead.end('lock')
    await waiter.next('called', 'lock')
    victim.continue()
  },
)
