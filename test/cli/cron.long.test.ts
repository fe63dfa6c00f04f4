/** The crontab of docs/recipes.md, run by cron itself: in a mount namespace of its own, where no other crontab is seen. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { SLOCKET, Workplace } from '../helpers/command.ts'
import { reasonNotRoot, reasonWithout } from '../helpers/privileges.ts'
import { until } from '../helpers/until.ts'

const page = fs.readFileSync(fileURLToPath(new URL('../../../docs/recipes.md', import.meta.url)), 'utf8')
const [, crontab = ''] = /^## A line of a crontab\n+```\n([^]*?)^```$/m.exec(page) ?? []

/** cron looks at its crontabs once a minute. */
const MINUTE_MS = 110_000

/** Has the crontab in place of all others, and no place in common with another cron. It ends with this process. */
const START = `
  mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /etc/cron.d && mount --bind /dev/null /etc/crontab &&
  mount -t tmpfs tmpfs /var/spool/cron && install -d -m 1730 -g crontab /var/spool/cron/crontabs &&
  crontab crontab && exec setpriv --pdeathsig KILL cron -f`

const reason =
  reasonNotRoot() ||
  reasonWithout('sh', '-c', 'command -v cron && command -v crontab') ||
  reasonWithout('unshare', '--mount', 'true')

describe('a crontab whose lines share a lock', { skip: reason }, () => {
  const place = new Workplace()
  const lines = (name: string): string[] =>
    fs.existsSync(place.path(name)) ? fs.readFileSync(place.path(name), 'utf8').trim().split('\n') : []
  const count = (name: string, what: string): number => lines(name).filter((line) => line === what).length

  before(() => {
    const bin = place.path('bin')
    fs.mkdirSync(bin)
    const program = (name: string, script: string): void =>
      fs.writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
    program(
      'slocket',
      `node ${SLOCKET[1]} "$@" >>"$HOME/output" 2>&1; status=$?; echo "status $status" >>"$HOME/log"; exit $status`,
    )
    program('sync-all', 'echo begins >>"$HOME/log"; timeout 100 cat "$HOME/fifo" >/dev/null; echo ends >>"$HOME/log"')
    fs.symlinkSync(process.execPath, join(bin, 'node'))
    const settings = crontab.replace(/^PATH=/m, `HOME=${place.directory}\nPATH=${bin}:`)
    // Each minute, twice.
    fs.writeFileSync(place.path('crontab'), settings.replace(/^\*\/5 (.*\n)/m, '* $1* $1'))
    place.start(['unshare', '--mount', 'sh', '-c', START])
  })
  after(() => place.close())

  test('of two lines at the same minute, one runs and the other one is skipped silently', async () => {
    await until(
      'one has begun, and the other one has ended',
      () => count('log', 'begins') === 1 && count('log', 'status 0') > 0,
      MINUTE_MS,
    )
    assert.equal(count('log', 'ends'), 0)
    place.end()
    await until('it has ended', () => count('log', 'ends') === 1)
    await until('both have ended', () => count('log', 'status 0') >= 2)
    assert.deepEqual([...new Set(lines('log'))].sort(), ['begins', 'ends', 'status 0'])
    assert.equal(fs.readFileSync(place.path('output'), 'utf8'), '')
  })
})
