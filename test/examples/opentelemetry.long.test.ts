import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { until } from '../helpers/until.ts'
import { node, placeExample } from './folder.ts'

interface Span {
  readonly name: string
  readonly id: string
  readonly parent?: string
  readonly attributes: Readonly<Record<string, unknown>>
  readonly error: boolean
  readonly events: readonly string[]
}

interface Metric {
  readonly name: string
  readonly unit: string
  readonly points: readonly { readonly attributes: object; readonly value: number | { readonly count: number } }[]
}

/** What is traced. Prints the spans and metrics as JSON. */
const PROGRAM = `
  import { context, metrics, trace } from '@opentelemetry/api'
  import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
  import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node'
  import { rmSync } from 'node:fs'
  import { setTimeout as sleep } from 'node:timers/promises'
  import slocket from 'slocket'
  import { traceLocks } from './lock-telemetry.mjs'

  const exporter = new InMemorySpanExporter()
  const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  provider.register()
  const metricExporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const meters = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter: metricExporter })] })
  metrics.setGlobalMeterProvider(meters)
  const early = await slocket('early.lock')
  const stop = traceLocks()
  await early.release()

  const tracer = trace.getTracer('test')
  const under = (name, body) => tracer.startActiveSpan(name, async (span) => {
    await sleep(1)
    await body()
    await sleep(1)
    span.end()
  })
  let first
  await under('first', async () => { first = await slocket('a.lock', { label: 'mine' }) })
  await Promise.all([
    under('second', () => slocket.with('a.lock', () => sleep(1))),
    under('third', () => slocket.with('a.lock', () => under('work', () => {}))),
    under('refused', () => slocket.try('a.lock')),
    under('timed out', () => slocket('a.lock', { timeout: 1 }).catch(() => {})),
    under('aborted', () => slocket('a.lock', { signal: AbortSignal.abort(null) }).catch(() => {})),
    under('noticed', async () => {
      const onWait = () => under('another one', () => first.release())
      await slocket.with('a.lock', { waitNoticeAfter: 0, onWait }, () => {})
    }),
  ])
  await under('blocking', () => slocket.sync('b.lock').release())
  await under('lost', async () => {
    const lock = await slocket('c.lock')
    rmSync('c.lock', { recursive: true })
    lock.held
  })
  stop()
  await slocket.with('unreached.lock', () => {})
  await provider.forceFlush()
  await meters.forceFlush()
  const spans = exporter.getFinishedSpans().map((span) => [span, span.spanContext()]).map(([{ name, attributes, status, parentSpanContext, events }, { spanId }]) => ({
    name, attributes, error: status.code === 2, id: spanId, parent: parentSpanContext?.spanId, events: events.map(({ name }) => name),
  }))
  const points = metricExporter.getMetrics().at(-1).scopeMetrics[0].metrics.map(({ descriptor, dataPoints }) => ({
    name: descriptor.name, unit: descriptor.unit, points: dataPoints.map(({ attributes, value }) => ({ attributes, value })),
  }))
  console.log(JSON.stringify({ spans, metrics: points }))
`

describe('the example of spans and metrics for OpenTelemetry', () => {
  const place = placeExample('opentelemetry', ['@opentelemetry'])
  let spans: readonly Span[] = []
  let metrics: readonly Metric[] = []

  before(async () => {
    const { stdout, stderr, status } = await place.run(node('--input-type=module', '-e', PROGRAM))
    assert.equal(status, 0, stderr)
    ;({ spans, metrics } = JSON.parse(stdout) as { spans: Span[]; metrics: Metric[] })
  })
  after(() => place.close())

  const childrenOf = (name: string): Span[] => {
    const { id } = spans.find((span) => span.name === name)!
    return spans.filter(({ parent }) => parent === id)
  }
  const namesBelow = (name: string): string[] => childrenOf(name).map((span) => span.name)
  const waitOf = (name: string): Span => childrenOf(name).find((span) => span.name === 'acquire lock')!
  const holdOf = (name: string): Span => childrenOf(name).find((span) => span.name === 'hold lock')!

  test('the wait and the hold are children of the span that requests the lock, despite other requests, and a release in another span', () => {
    for (const name of ['first', 'second', 'third', 'blocking'])
      assert.deepEqual(
        namesBelow(name)
          .filter((child) => child !== 'work')
          .sort(),
        ['acquire lock', 'hold lock'],
        name,
      )
    assert.deepEqual(namesBelow('another one'), [])
    assert.deepEqual(namesBelow('third').includes('work'), true)
  })

  test('spans have the attributes of the lock', () => {
    const facts = {
      'slocket.lock.name': 'a.lock',
      'slocket.lock.mode': 'exclusive',
      'slocket.lock.label': 'mine',
      'slocket.lock.try': false,
    }
    assert.deepEqual(waitOf('first').attributes, { ...facts, 'slocket.lock.granted': true })
    const { 'slocket.lock.token': token, ...others } = holdOf('first').attributes
    assert.deepEqual(others, { ...facts, 'slocket.lock.recovered': false })
    assert.match(token as string, /^\d+$/)
  })

  test('a refused try is not an error, and holds nothing', () => {
    assert.deepEqual(namesBelow('refused'), ['acquire lock'])
    const { attributes, error } = waitOf('refused')
    assert.deepEqual([attributes['slocket.lock.granted'], attributes['slocket.lock.try'], error], [false, true, false])
  })

  test('a failed call and a lost lock have the type of their error', () => {
    for (const [name, type] of [
      ['timed out', 'ERR_SLOCKET_TIMEOUT'],
      ['aborted', '_OTHER'],
    ] as const) {
      assert.deepEqual(namesBelow(name), ['acquire lock'])
      const { attributes, error, events } = waitOf(name)
      assert.deepEqual([error, attributes['error.type'], events.includes('exception')], [true, type, true])
    }
    assert.equal(waitOf('lost').error, false)
    assert.deepEqual([holdOf('lost').error, holdOf('lost').attributes['error.type']], [true, 'ERR_SLOCKET_LOST'])
  })

  test('a wait notice is an event of its wait', () => {
    assert.ok(waitOf('noticed').events.includes('slocket.waiting'))
  })

  test('nothing is reported about a lock that was acquired before the start, or after the end', () => {
    const names = new Set(spans.map(({ attributes }) => attributes['slocket.lock.name']))
    assert.equal(names.has('early.lock'), false)
    assert.equal(names.has('unreached.lock'), false)
  })

  test('durations are in seconds, and at the end nothing is held and nothing waits', () => {
    const metric = (name: string): Metric => metrics.find((one) => one.name === name)!
    const count = (name: string): number =>
      metric(name).points.reduce((sum, { value }) => sum + (value as { count: number }).count, 0)
    assert.deepEqual([metric('slocket.lock.wait.duration').unit, metric('slocket.lock.hold.duration').unit], ['s', 's'])
    assert.equal(count('slocket.lock.wait.duration'), spans.filter(({ name }) => name === 'acquire lock').length)
    assert.equal(count('slocket.lock.hold.duration'), spans.filter(({ name }) => name === 'hold lock').length)
    for (const name of ['slocket.lock.pending_requests', 'slocket.lock.held'])
      assert.deepEqual(metric(name).points, [{ attributes: { 'slocket.lock.mode': 'exclusive' }, value: 0 }])
    const failed = metric('slocket.lock.wait.duration').points.map(({ attributes }) => attributes)
    assert.ok(failed.some((one) => 'error.type' in one && one['error.type'] === 'ERR_SLOCKET_TIMEOUT'))
  })

  test('the program prints its spans and metrics, also for a wait for another process', async () => {
    const holder = place.slocket('run', 'report.lock', '--', 'sh', '-c', 'echo held; cat fifo')
    await holder.says(/held/)
    const reporting = place.start(node('report.mjs'))
    await until('it waits', async () => / waits /.test((await place.runSlocket('status', 'report.lock')).stdout))
    place.end()
    const { status, stdout, stderr } = await reporting.ended()
    assert.deepEqual([status, stderr], [0, ''])
    for (const name of ['acquire lock', 'hold lock', 'write report', 'slocket.lock.wait.duration'])
      assert.ok(stdout.includes(`name: '${name}'`), name)
  })
})
