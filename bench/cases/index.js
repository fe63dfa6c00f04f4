// The cases, in the order in which they are run. Each has
//
//   name, title
//   points(settings)         what is varied, by names that targets.js uses
//   pointTitle(point)        what a reader sees (may be missing)
//   contestants(point)       in the order of tables and plots
//   measure(run)             one measurement: its numbers, by name. run: { contestant, point, repetition, directory, settings }
//   isMeasured(run)          false: not in this repetition (may be missing)
//   repeat(settings)         where it is not settings.repeat (may be missing)
//   columns, plots           what a reader is shown of the numbers; the first column is what ratios are made of; a plot with
//                            an `axis` has a line for each contestant, over the points, which must be numbers
import { cold } from './cold.js'
import { command } from './command.js'
import { crowd } from './crowd.js'
import { handOff } from './hand-off.js'
import { hot } from './hot.js'
import { idle } from './idle.js'
import { manyNames } from './many-names.js'
import { shared } from './shared.js'
import { sync } from './sync.js'
import { takeover } from './takeover.js'
import { updates } from './updates.js'
import { waiting } from './waiting.js'
import { weight } from './weight.js'

export const CASES = [
  hot,
  cold,
  handOff,
  waiting,
  shared,
  crowd,
  updates,
  manyNames,
  takeover,
  sync,
  idle,
  weight,
  command,
]
