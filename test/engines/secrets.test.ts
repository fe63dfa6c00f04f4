import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withoutSecrets } from '../../src/engines/secrets.ts'

test('a URL on a command line is shown to others without user, password and parameters', () => {
  for (const [word, shown] of [
    ['etcd://locker:SECRET@a:1,b:2/ns', 'etcd://***@a:1,b:2/ns'],
    ['--engine=etcds://locker:SECRET@a', '--engine=etcds://***@a'],
    ['postgres://SECRET@db/app?password=SECRET&sslmode=require', 'postgres://***@db/app?***'],
    ['postgres://u:SEC@RET/SEC?RET#SECRET SECRET@db/app', 'postgres://***@db/app'],
    ['POSTGRES://u:SECRET@db', 'POSTGRES://***@db'],
    ["curl -d 'x' https://u:SECRET@a/b?k=SECRET && echo done", "curl -d 'x' https://***@a/b?*** && echo done"],
    ['postgres://db/app', 'postgres://db/app'],
    ['me@example.com', 'me@example.com'],
    ['what?', 'what?'],
    ['', ''],
    ['9etcd://u:SECRET@a x=b', '9etcd://***@a x=b'],
    ['x'.repeat(1_000_000), 'x'.repeat(1_000_000)],
    [`${'x://y/'.repeat(100_000)}?SECRET`, `${'x://y/'.repeat(100_000)}?***`],
    [`a ${'x://y/'.repeat(100_000)}@?SECRET`, 'a x://***@?***'],
  ] as readonly [string, string][]) {
    assert.equal(withoutSecrets(word), shown)
  }
})
