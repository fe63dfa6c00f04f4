// The cases, in the order in which they run. Each has
//
//   name, title
//   points(settings)         the values of what is varied, by the names that targets.js uses
//   pointTitle(point)        the name that readers see (optional)
//   contestants(point)       in the order of tables and plots
//   measure(run)             measures once and returns numbers by name. run: { contestant, point, repetition, directory, settings }
//   isMeasured(run)          false: not in this repetition (optional)
//   repeat(settings)         the number of repetitions, if it isn't settings.repeat (optional)
//   columns, plots           the numbers that readers see. Ratios are made from the first column. A plot with an `axis` has a line for
//                            each contestant, over the points, which must be numbers
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
