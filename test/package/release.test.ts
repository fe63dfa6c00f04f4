// What has to hold before a version is published: scripts/check-release.js, in a repository of its own.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { ROOT } from './install.ts'

const READY: Readonly<Record<string, string>> = {
  'package.json': JSON.stringify({
    version: '2.1.0',
    repository: { url: 'git+https://github.com/someone/slocket.git' },
  }),
  'CHANGELOG.md': '# Changelog\n\n## 2.1.0 (2030-01-31)\n\n## 2.0.0 (unreleased)\n',
  '.github/ISSUE_TEMPLATE/config.yml': 'url: https://github.com/someone/slocket\n',
}

describe('a release', () => {
  test('is published if tag, version, changelog and repository match', () => {
    assert.deepEqual(check('v2.1.0', {}), { status: 0, output: 'v2.1.0 can be published\n' })
  })

  for (const [title, tag, changes, message] of [
    ['of another version than that of the tag', 'v2.1.1', {}, 'the tag is v2.1.1'],
    [
      'that the changelog does not have',
      'v2.1.0',
      { 'CHANGELOG.md': '## 2.0.0 (2030-01-31)\n' },
      '"## 2.0.0 (2030-01-31)"',
    ],
    ['whose changelog has no date', 'v2.1.0', { 'CHANGELOG.md': '## 2.1.0 (unreleased)\n' }, '"## 2.1.0 (unreleased)"'],
    [
      'with a placeholder in a form',
      'v2.1.0',
      { '.github/ISSUE_TEMPLATE/config.yml': 'url: https://github.com/OWNER/slocket\n' },
      '.github/ISSUE_TEMPLATE/config.yml still says',
    ],
  ] as const) {
    test(`${title} is an error`, () => {
      const { status, output } = check(tag, changes)
      assert.equal(status, 1)
      assert.ok(output.includes(message), output)
    })
  }

  test("from a repository other than package.json's is an error", () => {
    const { status, output } = check('v2.1.0', {}, 'another/slocket')
    assert.equal(status, 1)
    assert.ok(output.includes('this is another/slocket'), output)
  })
})

function check(
  tag: string,
  changes: Readonly<Record<string, string>>,
  repository = 'someone/slocket',
): { status: number | null; output: string } {
  const scratch = mkdtempSync(join(tmpdir(), 'slocket-release-'))
  try {
    for (const [path, text] of Object.entries({ ...READY, ...changes })) {
      mkdirSync(dirname(join(scratch, path)), { recursive: true })
      writeFileSync(join(scratch, path), text)
    }
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'scripts/check-release.js'), tag], {
      cwd: scratch,
      encoding: 'utf8',
      env: { ...process.env, GITHUB_REPOSITORY: repository },
    })
    return { status, output: stdout + stderr }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
