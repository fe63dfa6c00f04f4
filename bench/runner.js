// Runs the cases, one repetition after the other. In each repetition, all contestants take turns (A B C, B C A, …), so that other
// load on the machine affects all of them alike.
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** A contestant that has failed this often at a point isn't tried there again. */
const MOST_FAILURES = 2

/** The results: for each point and contestant a list, by repetition, of { metrics }, { error } or null. */
export async function runCase(definition, { settings, repeat, fileSystems, missing, say }) {
  const points = definition.points(settings).filter((point) => directoryFor(point, fileSystems) !== undefined)
  const results = Object.fromEntries(points.map((point) => [point, {}]))
  const repetitions = repeat ?? definition.repeat?.(settings) ?? settings.repeat
  for (let repetition = 0; repetition < repetitions; repetition += 1) {
    for (const point of points) {
      const base = directoryFor(point, fileSystems)
      const contestants = definition.contestants(point).filter((contestant) => !missing.includes(contestant))
      for (const contestant of contestants) results[point][contestant] ??= []
      for (const contestant of rotated(contestants, repetition)) {
        const runs = results[point][contestant]
        runs[repetition] = await measure(definition, base, { contestant, point, repetition, settings, runs })
      }
      say(`${definition.name}, ${point}: ${repetition + 1} of ${repetitions}`)
    }
  }
  return results
}

async function measure(definition, base, { runs, ...run }) {
  if (runs.filter((done) => done?.error !== undefined).length >= MOST_FAILURES) return null
  if (definition.isMeasured?.(run) === false) return null
  const directory = mkdtempSync(join(base, 'slocket-bench-'))
  const remove = () => rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
  process.once('exit', remove) // interrupted
  try {
    return { metrics: await definition.measure({ ...run, directory }) }
  } catch (error) {
    return { error: error.message }
  } finally {
    process.off('exit', remove)
    remove()
  }
}

function directoryFor(point, fileSystems) {
  return point === 'tmpfs' ? fileSystems.tmpfs?.path : fileSystems.disk.path
}

function rotated(list, by) {
  const start = by % list.length
  return [...list.slice(start), ...list.slice(0, start)]
}
