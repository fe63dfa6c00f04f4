import assert from 'node:assert/strict'
import { test } from 'node:test'
import { load } from './bench.ts'
import type { Bar, Line, Plots } from './bench.ts'

const { plot, plotLines } = await load<Plots>('plot.js')

const bars: readonly Bar[] = [
  { label: 'slocket', value: 10, min: 9, max: 20, text: '10', isOurs: true },
  { label: '<rival> & "co"', value: 1000, min: 1000, max: 1000, text: '1,000', isOurs: false },
  { label: 'broken', text: 'failed', isOurs: false },
]
const content = { title: 'less < more', groups: [{ title: 'ext4', bars }] }

test('a plot is well-formed XML', () => {
  assertWellFormed(plot(content))
  assertWellFormed(plot({ title: 'of nothing', groups: [] }))
  assertWellFormed(
    plot({ title: 'of zero', groups: [{ title: '', bars: [{ ...bars[0]!, value: 0, min: 0, max: 0 }] }] }),
  )
})

test('the same numbers give the same plot', () => {
  assert.equal(plot(content), plot(structuredClone(content)))
})

test('a value ten times as large makes a bar one step of the scale longer', () => {
  const widthOf = (value: number): number => {
    const drawn = plot({
      title: '',
      groups: [{ title: '', bars: [...bars.slice(0, 2), { ...bars[0]!, value, min: value, max: value }] }],
    })
    return Number([...drawn.matchAll(/<rect [^>]*width="([\d.]+)"/g)][2]?.[1])
  }
  const [one, ten, hundred] = [1, 10, 100].map(widthOf) as [number, number, number]
  assert.ok(ten > one && Math.abs(hundred - ten - (ten - one)) < 1.5, `${one}, ${ten}, ${hundred}`)
})

test('a failed contestant shows its reason instead of a bar', () => {
  const drawn = plot(content)
  assert.equal(drawn.match(/<rect /g)?.length, 2)
  assert.match(drawn, />failed<\/text>/)
})

test('a plot of lines is well-formed XML', () => {
  assertWellFormed(plotLines({ title: 'less < more', axis: 'waiting & joining', lines: [lineOf([2, 5])] }))
  assertWellFormed(plotLines({ title: 'of nothing', axis: '', lines: [] }))
  assertWellFormed(plotLines({ title: 'of zero', axis: '', lines: [lineOf([0])] }))
})

test('a value ten times as large is one step of the scale higher on a line', () => {
  const drawn = plotLines({ title: '', axis: '', lines: [lineOf([1, 10, 100])] })
  const heights = [...drawn.matchAll(/<circle cx="[\d.]+" cy="([\d.]+)"/g)].map((match) => Number(match[1]))
  const [one, ten, hundred] = heights as [number, number, number]
  assert.ok(one > ten && Math.abs(ten - hundred - (one - ten)) < 0.3, heights.join(', '))
})

function lineOf(ys: readonly number[]): Line {
  return { label: 'slocket', isOurs: true, places: ys.map((y, index) => ({ x: 10 ** index, y, text: `${y}` })) }
}

/** Each tag is closed in its order, no attribute is there twice, and no bare `&` or `<` is left. */
function assertWellFormed(xml: string): void {
  const TAG = /<(\/?)([a-z]+)((?:\s+[a-zA-Z][\w-]*=(?:"[^"<&]*"|'[^'<&]*'))*)\s*(\/?)>/g
  const open: string[] = []
  let roots = 0
  for (const [tag, closes, name = '', attributes = '', isEmpty] of xml.matchAll(TAG)) {
    const names = [...attributes.matchAll(/([\w-]+)=/g)].map((match) => match[1])
    assert.equal(new Set(names).size, names.length, `an attribute twice: ${tag}`)
    if (closes === '/') assert.equal(open.pop(), name, tag)
    else {
      if (open.length === 0) roots += 1
      if (isEmpty !== '/') open.push(name)
    }
  }
  assert.deepEqual(open, [])
  assert.equal(roots, 1)
  const text = xml.replace(TAG, '')
  assert.doesNotMatch(text, /[<>]|&(?!(amp|lt|gt);)/)
  assert.doesNotMatch(xml, /NaN|Infinity|undefined/)
}
