import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { memberFile, memberPid, randomMemberId } from '../../../src/engines/local/member.ts'

const MEMBER = new URL('../../../src/engines/local/member.js', import.meta.url).href

test('processes with the same random seed have members of different names', () => {
  const code = `console.log((await import(${JSON.stringify(MEMBER)})).randomMemberId())`
  const ask = (): string =>
    execFileSync(process.execPath, ['--random-seed=7', '--input-type=module', '-e', code], { encoding: 'utf8' })
  const [one, two] = [ask(), ask()]
  assert.notEqual(one, two)
})

test('the name of a member is of twelve characters, and its file tells its process', () => {
  for (let count = 0; count < 1000; count += 1) {
    const id = randomMemberId()
    assert.match(id, /^[a-z0-9]{12}$/)
    assert.equal(memberPid(memberFile(id)), String(process.pid))
  }
})
