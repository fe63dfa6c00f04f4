// Writes a report under a lock, and prints the spans and metrics that OpenTelemetry has of it: node report.mjs [LOCK]
import { metrics, trace } from '@opentelemetry/api'
import { ConsoleMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { ConsoleSpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node'
import { setTimeout as sleep } from 'node:timers/promises'
import slocket from 'slocket'
import { traceLocks } from './lock-telemetry.mjs'

const [path = 'report.lock'] = process.argv.slice(2)

// A service has OTLP exporters in place of those for the console, and a BatchSpanProcessor.
const spans = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(new ConsoleSpanExporter())] })
spans.register()
const reader = new PeriodicExportingMetricReader({ exporter: new ConsoleMetricExporter() })
const measurements = new MeterProvider({ readers: [reader] })
metrics.setGlobalMeterProvider(measurements)
traceLocks()

await trace.getTracer('report').startActiveSpan('write report', async (span) => {
  try {
    await slocket.with(path, { label: 'report' }, () => sleep(100))
  } finally {
    span.end()
  }
})
await Promise.all([spans.shutdown(), measurements.shutdown()])
