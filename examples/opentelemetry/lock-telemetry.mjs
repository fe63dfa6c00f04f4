// Spans and metrics of locks, for OpenTelemetry.
import { context, metrics, SpanStatusCode, trace } from '@opentelemetry/api'
import diagnostics from 'node:diagnostics_channel'

const SECONDS = {
  unit: 's',
  advice: { explicitBucketBoundaries: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 600] },
}

/** Tells OpenTelemetry of each lock that this process asks for from now on. Returns a function that ends that. */
export function traceLocks(tracer = trace.getTracer('slocket'), meter = metrics.getMeter('slocket')) {
  const waitDuration = meter.createHistogram('slocket.lock.wait.duration', SECONDS)
  const holdDuration = meter.createHistogram('slocket.lock.hold.duration', SECONDS)
  const pending = meter.createUpDownCounter('slocket.lock.pending_requests', { unit: '{request}' })
  const held = meter.createUpDownCounter('slocket.lock.held', { unit: '{lock}' })
  /** What there is of each request: the context of its call, and the span that is open. */
  const requests = new WeakMap()

  function openSpan(lock, name, parent) {
    const attributes = attributesOf(lock)
    requests.set(lock, { parent, span: tracer.startSpan(name, { attributes }, parent) })
  }

  /** Undefined of a request that was made before `traceLocks` was called. */
  function closeSpan(lock, error) {
    const request = requests.get(lock)
    if (request === undefined) return undefined
    requests.delete(lock)
    if (error !== undefined) {
      request.span.recordException(error instanceof Error ? error : String(error))
      request.span.setAttribute('error.type', errorType(error))
      request.span.setStatus({ code: SpanStatusCode.ERROR, message: error?.message ?? String(error) })
    }
    request.span.end()
    return request
  }

  const handlers = {
    'tracing:slocket:acquire:start'(lock) {
      // Called in the call that asks for the lock: the context of its caller.
      openSpan(lock, 'acquire lock', context.active())
      pending.add(1, metricAttributes(lock))
    },
    'slocket:wait-notice'(lock) {
      const { held: holders, ahead } = lock.notice
      const pids = holders.flatMap(({ pid }) => pid ?? [])
      requests.get(lock)?.span.addEvent('slocket.waiting', { 'slocket.holder.pids': pids, 'slocket.ahead': ahead })
    },
    'tracing:slocket:acquire:asyncEnd'(lock) {
      const { span, parent } = requests.get(lock) ?? {}
      if (span === undefined) return
      // Undefined if the call rejects, null if it is a `try` that was refused.
      const isGranted = Boolean(lock.result)
      span.setAttribute('slocket.lock.granted', isGranted)
      closeSpan(lock, lock.error)
      pending.add(-1, metricAttributes(lock))
      waitDuration.record(lock.waitMs / 1000, metricAttributes(lock, lock.error))
      if (isGranted) requests.set(lock, { parent })
    },
    'slocket:grant'(lock) {
      const request = requests.get(lock)
      if (request === undefined) return
      openSpan(lock, 'hold lock', request.parent)
      held.add(1, metricAttributes(lock))
    },
    'slocket:release': (lock) => endHold(lock),
    'slocket:lost': (lock) => endHold(lock, lock.error),
  }

  function endHold(lock, error) {
    if (closeSpan(lock, error) === undefined) return
    held.add(-1, metricAttributes(lock))
    holdDuration.record(lock.holdMs / 1000, metricAttributes(lock, error))
  }

  for (const [channel, handler] of Object.entries(handlers)) diagnostics.subscribe(channel, handler)
  return () => {
    for (const [channel, handler] of Object.entries(handlers)) diagnostics.unsubscribe(channel, handler)
  }
}

function attributesOf({ name, mode, permits, label, isTry, token, recovered }) {
  return {
    'slocket.lock.name': name,
    'slocket.lock.mode': mode,
    'slocket.lock.permits': permits,
    'slocket.lock.label': label,
    'slocket.lock.try': isTry,
    // Too large for a number.
    'slocket.lock.token': token?.toString(),
    'slocket.lock.recovered': recovered,
  }
}

/** Without names and labels: each value would be a time series of its own. */
function metricAttributes({ mode }, error) {
  return error === undefined
    ? { 'slocket.lock.mode': mode }
    : { 'slocket.lock.mode': mode, 'error.type': errorType(error) }
}

/** The reason of an abort may be anything. */
function errorType(error) {
  if (typeof error?.code === 'string') return error.code
  return error instanceof Error ? error.name : '_OTHER'
}
