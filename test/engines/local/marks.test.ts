/** Marks that are left alone, as one who would remove the directory finds them. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { EXCLUSIVE } from '../../../src/core/claim.ts'
import { QueueDirectory } from '../../../src/engines/local/directory.ts'
import { DOWNGRADED, formatTicketName, ticketId } from '../../../src/engines/local/ticket-name.ts'

const lockPath = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-marks-'))
after(() => fs.rmSync(lockPath, { recursive: true, force: true }))
const skip = process.platform === 'win32' && 'there are no marks on Windows'

test('a mark goes if its ticket is gone, and not if only the listing has missed the ticket', { skip }, () => {
  // As slocket makes it.
  fs.chmodSync(lockPath, 0o1755)
  const [there, gone] = [nameOf('1'), nameOf('2')]
  fs.symlinkSync('anywhere', path.join(lockPath, there))
  for (const name of [there, gone]) fs.symlinkSync(name, path.join(lockPath, name + DOWNGRADED))
  const directory = new QueueDirectory(lockPath)
  const names = directory.names.bind(directory)
  directory.names = () => names().filter((name) => name !== there)
  directory.removeIfEmpty()
  assert.deepEqual(fs.readdirSync(lockPath).sort(), [there, there + DOWNGRADED])
})

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
