import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Frame } from '../../../../src/engines/local/wire/frames.ts'
import { formatFrame, LineSplitter, MAX_FRAME_BYTES, parseFrame } from '../../../../src/engines/local/wire/frames.ts'

const LETTERS = [...'abcdefghijklmnopqrstuvwxyz0123456789']
const members = fc.string({ unit: fc.constantFrom(...LETTERS), minLength: 12, maxLength: 12 })
const digits = fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: 19, maxLength: 19 })
const shortFrames: fc.Arbitrary<Frame> = fc.oneof(
  members.map((member): Frame => ({ kind: 'hello', member })),
  members.map((member): Frame => ({ kind: 'here', member })),
  fc.tuple(digits, members).map(([number, member]): Frame => ({ kind: 'wake', ticket: `${number}-${member}` })),
  fc.constant<Frame>({ kind: 'who' }),
)
const frames: fc.Arbitrary<Frame> = fc.oneof(
  shortFrames,
  fc
    .dictionary(fc.string({ unit: fc.constantFrom(...LETTERS) }), fc.integer())
    .map((value): Frame => ({ kind: 'party', json: JSON.stringify(value) })),
)

describe('frames', () => {
  test('what is written is parsed', () => {
    fc.assert(
      fc.property(frames, (frame) => {
        const line = formatFrame(frame)
        assert.equal(line.indexOf('\n'), line.length - 1)
        assert.deepEqual(parseFrame(line.slice(0, -1)), frame)
      }),
    )
  })

  test('all frames but the answer to `who` fit into the limit of a member', () => {
    fc.assert(fc.property(shortFrames, (frame) => assert.ok(formatFrame(frame).length - 1 <= MAX_FRAME_BYTES)))
  })

  test('junk is a violation, and throws nothing', () => {
    fc.assert(
      fc.property(fc.string(), (line) => {
        const frame = parseFrame(line)
        if (frame !== undefined) assert.equal(formatFrame(frame), `${line}\n`)
      }),
    )
    for (const line of [
      '',
      'slocket/1 abcdefghijkl',
      'here',
      'here ABCDEFGHIJKL',
      'wake 1-a',
      'who ',
      'party',
      'party []',
    ]) {
      assert.equal(parseFrame(line), undefined, line)
    }
  })

  test('the lines are the same, however the bytes are split', () => {
    fc.assert(
      fc.property(fc.array(shortFrames), fc.array(fc.integer({ min: 1, max: 40 })), (sent, sizes) => {
        const bytes = Buffer.from(sent.map(formatFrame).join(''), 'latin1')
        const splitter = new LineSplitter(MAX_FRAME_BYTES)
        const lines: string[] = []
        for (let from = 0, index = 0; from < bytes.length; index += 1) {
          const size = sizes.length === 0 ? bytes.length : sizes[index % sizes.length]!
          lines.push(...splitter.push(bytes.subarray(from, from + size).toString('latin1'))!)
          from += size
        }
        assert.deepEqual(lines.map(parseFrame), sent)
      }),
    )
  })

  test('any bytes are split into lines, or are too long, and throw nothing', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 })), (chunks) => {
        const splitter = new LineSplitter(MAX_FRAME_BYTES)
        for (const chunk of chunks) {
          const lines = splitter.push(Buffer.from(chunk).toString('latin1'))
          if (lines === undefined) return
          for (const line of lines) {
            assert.ok(line.length <= MAX_FRAME_BYTES)
            parseFrame(line)
          }
        }
      }),
    )
  })

  test('a line that never ends is too long', () => {
    const splitter = new LineSplitter(MAX_FRAME_BYTES)
    assert.deepEqual(splitter.push('a'.repeat(MAX_FRAME_BYTES)), [])
    assert.equal(splitter.push('a'), undefined)
  })

  test('a line of the maximum length is accepted, and a longer one is not', () => {
    const line = 'a'.repeat(MAX_FRAME_BYTES)
    assert.deepEqual(new LineSplitter(MAX_FRAME_BYTES).push(`${line}\n`), [line])
    assert.equal(new LineSplitter(MAX_FRAME_BYTES).push(`${line}a\n`), undefined)
  })
})
