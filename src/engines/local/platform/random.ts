/** Randomness without node:crypto, which takes milliseconds to load. */
import fs from 'node:fs'
import { systemCode } from '../../../errors.ts'
import { builtInCrypto } from './built-in.ts'

/** random(4): a new one each time it is read, from the generator of getrandom(2). The 4, and the digit for 8 to b, are not random. */
const KERNEL_UUID = /^([0-9a-f]{8})-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{4}([0-9a-f]{8})\n?$/

/** Returns 64 random bits, from the kernel if it provides them. */
export function randomBits(): bigint {
  const [, first, last] = KERNEL_UUID.exec(readUuid()) ?? []
  if (first !== undefined && last !== undefined) return BigInt(`0x${first}${last}`)
  return builtInCrypto().randomBytes(8).readBigUInt64LE()
}

function readUuid(): string {
  try {
    // Node reads UTF-8 in one call. Its first read in another encoding takes a millisecond.
    return fs.readFileSync('/proc/sys/kernel/random/uuid', 'utf8')
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    return ''
  }
}
