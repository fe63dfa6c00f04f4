/** Entries that somebody else puts into a lock's directory: any name, any kind. */
import fs from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { kernelId } from '../../src/engines/local/platform/kernel.ts'
import { randomMemberId } from '../../src/engines/local/members/member.ts'
import { markedBy, parseTicketName } from '../../src/engines/local/ticket-name.ts'
import { Impostor } from './impostor.ts'
import { runSystem } from './privileges.ts'
import type { Scene } from './scenario.ts'

const KINDS = [
  'file',
  'directory',
  'full directory',
  'fifo',
  'device',
  'living socket',
  'dead socket',
  'link to a living socket',
  'link to a file',
  'link to a directory',
  'link to nothing',
  'link to itself',
] as const

export interface Intruder {
  /** Bytes, one per character. `<kernel>` is this kernel's id; `<member>` is for `withMember`. */
  readonly name: string
  readonly kind: (typeof KINDS)[number]
  /** True if it is in `.members`. */
  readonly inMembers?: boolean
}

/** The inputs for the intruders of a scene. */
export class Workshop {
  /** The target of links. It must never be touched. */
  readonly outside: string
  readonly #scene: Scene
  #living: Impostor | undefined
  #canMakeDevices = process.getuid?.() === 0

  constructor(scene: Scene) {
    this.#scene = scene
    this.outside = join(scene.directory, 'outside')
  }

  async prepare(): Promise<void> {
    fs.mkdirSync(join(this.outside, 'directory/deep'), { recursive: true })
    fs.writeFileSync(join(this.outside, 'file'), 'precious')
    fs.writeFileSync(join(this.outside, 'directory/abcdefghijkl.1'), 'a page of a manual')
    runSystem('mkfifo', join(this.outside, 'fifo'))
    if (this.#canMakeDevices) runSystem('mknod', join(this.outside, 'device'), 'c', '1', '3')
    this.#living = await Impostor.listen(this.#scene)
    const dead = await Impostor.listen(this.#scene)
    dead.stand(join(this.outside, 'dead socket'))
    dead.die()
  }

  /** Puts it into the directory `path`, unless there is an entry of that name. */
  put(path: string, { name, kind, inMembers = false }: Intruder): void {
    const at = pathOf(inMembers ? join(path, '.members') : path, Buffer.from(nameOf(name), 'latin1'))
    try {
      this.#make(at, kind)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }

  #make(at: Buffer, kind: Intruder['kind']): void {
    switch (kind) {
      case 'file':
        return fs.writeFileSync(at, 'content', { flag: 'wx' })
      case 'directory':
        return fs.mkdirSync(at)
      case 'full directory':
        fs.mkdirSync(at)
        return fs.writeFileSync(pathOf(at, Buffer.from('file')), '')
      case 'device':
      case 'fifo':
      case 'dead socket':
        return fs.linkSync(join(this.outside, kind === 'device' && !this.#canMakeDevices ? 'fifo' : kind), at)
      case 'living socket':
        return fs.linkSync(this.#living!.socket, at)
      case 'link to a living socket':
        return fs.symlinkSync(this.#living!.socket, at)
      case 'link to a file':
        return fs.symlinkSync(join(this.outside, 'file'), at)
      case 'link to a directory':
        return fs.symlinkSync(join(this.outside, 'directory'), at)
      case 'link to nothing':
        return fs.symlinkSync('nowhere', at)
      case 'link to itself':
        return fs.symlinkSync(at.subarray(at.lastIndexOf('/') + 1), at)
    }
  }
}

/** The name in the directory. */
export function nameOf(name: string): string {
  return name.replaceAll('<kernel>', kernelId())
}

/** A case of the corpus, with an unused member id, since no two members have the same. */
export function withMember(all: readonly Intruder[]): Intruder[] {
  const id = randomMemberId()
  return all.map((one) => ({ ...one, name: one.name.replaceAll('<member>', id) }))
}

/** True if it may belong to a lock, by its name and its kind. */
export function isOfLock({ name, kind, inMembers = false }: Intruder): boolean {
  if (inMembers) return true
  const text = nameOf(name)
  const marked = markedBy(text)
  if (marked !== undefined && parseTicketName(marked) !== undefined) {
    return kind.endsWith('socket') || kind.startsWith('link')
  }
  return isTicket({ name, kind, inMembers })
}

/** True if it has a ticket's name and is a socket. */
export function isTicket({ name, kind, inMembers = false }: Intruder): boolean {
  return !inMembers && parseTicketName(nameOf(name)) !== undefined && /^(living|dead) socket$/.test(kind)
}

/**
 * The entries of a directory, by the bytes of their names: what each one is, and whether it was touched. The other links of a socket are
 * made and removed all the time, which its metadata shows.
 */
export function contentOf(directory: string | Buffer): Map<string, string> {
  const content = new Map<string, string>()
  for (const name of fs.readdirSync(directory, { encoding: 'buffer' })) {
    const at = pathOf(directory, name)
    const stats = fs.lstatSync(at, { bigint: true })
    const parts = [stats.mode, stats.uid, stats.gid, stats.ino, stats.mtimeNs]
    if (!stats.isSocket()) parts.push(stats.ctimeNs)
    const text = stats.isFile() ? fs.readFileSync(at, 'latin1') : stats.isSymbolicLink() ? fs.readlinkSync(at) : ''
    const below = stats.isDirectory() ? [...contentOf(at)].flat() : []
    // Entries made and removed in `.members` change its metadata.
    const own = name.toString() === '.members' ? [stats.mode, stats.ino] : parts
    content.set(name.toString('latin1'), [...own, text, ...below].join(' '))
  }
  return content
}

function pathOf(directory: string | Buffer, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(directory), Buffer.from('/'), name])
}

const LETTERS = [...'abcdefghijklmnopqrstuvwxyz0123456789']
const END = '8999999999999999999'

/** @param numbers of tickets, as text. */
export function intruders(numbers: fc.Arbitrary<string>): fc.Arbitrary<Intruder> {
  const member = fc.string({ unit: fc.constantFrom(...LETTERS), minLength: 12, maxLength: 12 })
  const claim = fc.constantFrom('x', 'x', 'x', 's', 'p1', 'p1000000')
  const kernel = fc.constantFrom('<kernel>', '<kernel>', '<kernel>', 'deadbeef')
  const ticket = fc
    .tuple(fc.oneof(numbers, numbers, fc.constantFrom('0'.repeat(19), END)), claim, fc.nat(99_999), member, kernel)
    .map((parts) => `2-${parts.join('-')}`)
  const anyName = fc.string({
    unit: fc.integer({ min: 1, max: 255 }).map((byte) => String.fromCharCode(byte)),
    minLength: 1,
  })
  const almost = fc.oneof(
    fc.tuple(ticket, fc.nat(), fc.nat(2), anyName).map(([name, place, dropped, put]) => {
      const at = place % name.length
      return name.slice(0, at) + put + name.slice(at + dropped)
    }),
    ticket.map((name) => name.replace(/^2/, '3')),
    ticket.map((name) => name.replace(/-\d{19}-/, '-9000000000000000000-')),
    ticket.map((name) => name.replace(/-(x|s|p\d+)-/, '-p1000001-')),
    ticket.map((name) => name.replace(/-(x|s|p\d+)-/, '-p0-')),
    ticket.map((name) => `${name}-r-r`),
    ticket.map((name) => `.${name}`),
    ticket.map((name) => `${name}\n`),
  )
  const name = fc
    .oneof(
      { weight: 5, arbitrary: ticket },
      { weight: 1, arbitrary: ticket.map((text) => `${text}-r`) },
      { weight: 2, arbitrary: almost },
      { weight: 1, arbitrary: anyName },
      {
        weight: 1,
        arbitrary: fc
          .tuple(anyName, fc.constantFrom('\xff', '\n', 'n', '\x1b'))
          .map(([text, fill]) => text.padEnd(255, fill)),
      },
    )
    .map((text) => text.replaceAll('/', '_').slice(0, 250))
    .filter((text) => text !== '.' && text !== '..' && text !== '.members')
  const file = fc.tuple(member, fc.nat(99_999)).map((parts) => parts.join('.'))
  const kind = fc.constantFrom(...KINDS)
  return fc.oneof(
    { weight: 4, arbitrary: fc.record({ name, kind }) },
    { weight: 1, arbitrary: fc.record({ name: fc.oneof(file, name), kind, inMembers: fc.constant(true) }) },
  )
}
