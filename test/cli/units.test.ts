/** The units for systemd of docs/recipes.md: what systemd says of them, and their command, as systemd would run it. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { SLOCKET, Workplace } from '../helpers/command.ts'
import { reasonNotRoot, reasonWithout } from '../helpers/privileges.ts'

const page = fs.readFileSync(fileURLToPath(new URL('../../../docs/recipes.md', import.meta.url)), 'utf8')
const units = [...page.matchAll(/^cat >(\S+\.(?:service|timer)) <<'UNIT'\n([^]*?)^UNIT$/gm)].map(([, name, text]) => ({
  name: name!,
  text: text!,
}))
const withoutNamespace = reasonNotRoot() || reasonWithout('unshare', '--mount', 'true')

/** Of systemd 252, for services of the system: systemd.exec(5). */
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin'

function valueOf(text: string, key: string): string {
  const values = [...text.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))]
  assert.equal(values.length, 1, key)
  return values[0]![1]!
}

describe('the units for systemd', () => {
  const place = new Workplace()
  after(() => place.close())

  test('there is a service and a timer', () => {
    assert.deepEqual(
      units.map(({ name }) => name),
      ['reindex.service', 'reindex.timer'],
    )
  })

  test('systemd-analyze reports no problem', { skip: reasonWithout('systemd-analyze', '--version') }, async () => {
    for (const { name, text } of units) fs.writeFileSync(place.path(name), text)
    const { status, stdout, stderr } = await place.run([
      'systemd-analyze',
      'verify',
      ...units.map(({ name }) => `./${name}`),
    ])
    assert.deepEqual([status, stdout, stderr], [0, '', ''])
    const schedule = valueOf(units[1]!.text, 'OnCalendar')
    assert.equal((await place.run(['systemd-analyze', 'calendar', schedule])).status, 0)
  })

  test(
    'the command of the service runs unchanged in the environment of systemd, and holds its lock',
    { skip: withoutNamespace },
    async () => {
      const { name, text } = units[0]!
      const bin = place.path('bin')
      fs.mkdirSync(bin)
      fs.writeFileSync(join(bin, 'slocket'), `#!/bin/sh\nexec ${SLOCKET.join(' ')} "$@"\n`, { mode: 0o755 })
      const command = valueOf(text, 'ExecStart').replaceAll('%n', name).split(' ')
      assert.match(command[0]!, /^\//)
      assert.doesNotMatch(command.join(' '), /["'%$\\]/)
      // A runtime directory that no other process has.
      const start = `mount -t tmpfs tmpfs /run && mkdir /run/${valueOf(text, 'RuntimeDirectory')} && exec env -i "$@"`
      const run = async (...parameters: readonly string[]): Promise<string> => {
        const environment = [`PATH=${bin}:${PATH}`, 'LANG=C.UTF-8', `INVOCATION_ID=${'0'.repeat(32)}`]
        const { status, stdout, stderr } = await place.run(
          ['unshare', '--mount', 'sh', '-c', start, 'sh', ...environment, ...parameters],
          { cwd: '/' },
        )
        assert.deepEqual([status, stderr], [0, ''])
        return stdout
      }
      assert.equal(await run(...command), 'reindexed\n')

      // The same line, with another command: what it runs under.
      const prefix = command.slice(0, command.indexOf('--') + 1)
      const status = await run(...prefix, 'slocket', 'status', '/run')
      assert.match(status, new RegExp(`index\\.lock +holds +exclusive .* ${name} `))
    },
  )
})
