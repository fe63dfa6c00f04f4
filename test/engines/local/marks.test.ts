/** Lone marks, as a process finds them that would remove the directory. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { EXCLUSIVE } from '../../../src/core/claim.ts'
import { QueueDirectory } from '../../../src/engines/local/directory.ts'
import { DOWNGRADED, formatTicketName, ticketId } from '../../../src/engines/local/ticket-name.ts'

const parent = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-marks-'))
after(() => fs.rmSync(parent, { recursive: true, force: true }))
const skip = process.platform === 'win32' && 'there are no marks on Windows'

test('a mark is removed if its ticket is gone, but not if the listing has only missed the ticket', { skip }, () => {
  const lockPath = path.join(parent, 'listed')
  makeAsSlocket(lockPath)
  const [there, gone] = [nameOf('1'), nameOf('2')]
  fs.symlinkSync('anywhere', path.join(lockPath, there))
  for (const name of [there, gone]) fs.symlinkSync(name, path.join(lockPath, name + DOWNGRADED))
  const directory = new QueueDirectory(lockPath)
  const names = directory.names.bind(directory)
  directory.names = () => names().filter((name) => name !== there)
  directory.removeIfEmpty()
  assert.deepEqual(fs.readdirSync(lockPath).sort(), [there, there + DOWNGRADED])
})

test('a lone mark does not keep the directory of a lock beside mkdir', { skip }, () => {
  const lockPath = path.join(parent, 'beside-mkdir')
  makeAsSlocket(lockPath)
  makeAsSlocket(path.join(lockPath, '.members'))
  fs.symlinkSync(nameOf('1'), path.join(lockPath, nameOf('1') + DOWNGRADED))
  new QueueDirectory(lockPath, { mkdirStaleMs: 60_000 }).removeIfEmpty()
  assert.equal(fs.existsSync(lockPath), false)
})

function makeAsSlocket(directory: string): void {
  fs.mkdirSync(directory)
  fs.chmodSync(directory, 0o1755)
}

function nameOf(digit: string): string {
  const number = digit.padStart(19, '0')
  const member = 'abcdefghijkl'
  return formatTicketName({
    id: ticketId(number, member),
    number,
    claim: EXCLUSIVE,
    pid: 1,
    member,
    kernel: '01234567',
  })
}
