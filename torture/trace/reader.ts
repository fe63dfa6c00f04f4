/** Reads all traces of a round. */
import fs from 'node:fs'
import type { TraceEvent } from './event.ts'
import { traceFile, tracedClients } from './writer.ts'

/** All events in order of time. Events of the same client keep the order in which it wrote them. */
export function readTraces(directory: string): TraceEvent[] {
  const events: TraceEvent[] = []
  for (const who of tracedClients(directory)) {
    const lines = fs.readFileSync(traceFile(directory, who), 'utf8').split('\n')
    // The rest after the last line break is empty, or an incomplete line: its writer was killed.
    for (const line of lines.slice(0, -1)) events.push({ ...(JSON.parse(line) as TraceEvent), who })
  }
  return events.sort((a, b) => a.at - b.at)
}
