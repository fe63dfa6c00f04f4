/** Which paths a lock can have on Windows. Pure: runs everywhere. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSlocketError } from '../../src/index.ts'
import { checkWindowsPath, isNetworkPath } from '../../src/engines/local/windows/paths.ts'

const isNetworkError = (error: unknown): boolean => isSlocketError(error, 'ERR_SLOCKET_NETWORK_FILE_SYSTEM')

test("an ordinary path can be a lock's, with or without the prefix for long paths", () => {
  for (const path of [
    'C:\\data\\lock',
    'c:\\data\\deploy.lock',
    '\\\\?\\C:\\data\\lock',
    '\\\\?\\Volume{b75e2c83-0000-0000-0000-602f00000000}\\lock',
    'C:\\data\\console',
    'C:\\data\\com10',
    'C:\\data\\.lock',
    'C:\\data\\größe 🔒',
  ])
    checkWindowsPath(path)
})

test('a path of a network share is an error, in each form', () => {
  for (const path of [
    '\\\\server\\share\\lock',
    '//server/share/lock',
    '\\\\?\\UNC\\server\\share\\lock',
    '\\\\?\\unc\\server\\share\\lock',
    '\\\\wsl$\\Debian\\tmp\\lock',
  ]) {
    assert.throws(() => checkWindowsPath(path), isNetworkError, path)
    assert.equal(isNetworkPath(path), true, path)
  }
})

test('the result of realpath for a local drive is not taken for a share', () => {
  for (const path of ['C:\\', 'C:\\data', '\\\\?\\C:\\data']) assert.equal(isNetworkPath(path), false, path)
})

test('a name that Windows reserves or does not allow is a TypeError', () => {
  for (const name of [
    'NUL',
    'nul.lock',
    'nul .lock',
    'Con',
    'aux',
    'prn.txt',
    'com1',
    'LPT9.lock',
    'com²',
    'conin$',
    'CONOUT$',
  ])
    assert.throws(() => checkWindowsPath(`C:\\data\\${name}`), TypeError, name)
  for (const name of ['a:b', 'a?', 'a*', 'a|b', 'a<b', 'a>b', 'a"b', 'a\tb', 'a.', 'a '])
    assert.throws(() => checkWindowsPath(`C:\\data\\${name}`), TypeError, name)
  assert.throws(() => checkWindowsPath('\\\\.\\pipe\\lock'), TypeError)
  assert.throws(() => checkWindowsPath('\\\\.\\C:'), TypeError)
})
