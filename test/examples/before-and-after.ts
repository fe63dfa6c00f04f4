/** Programs of which an example has two: one around another lock, `before.mjs`, and one with slocket, `after.mjs`. */
import { after, describe } from 'node:test'
import type { Workplace } from '../helpers/command.ts'
import { node, placeExample } from './folder.ts'

export interface Version {
  readonly place: Workplace
  /** The command line of the program. */
  program(...parameters: readonly string[]): string[]
  /** The command line of a process that holds a lock, given by the path of what it protects, until it is killed. It says `held`. */
  holder(path: string): string[]
}

const HOLDERS = {
  before: `import lockfile from 'proper-lockfile'
    await lockfile.lock(process.argv[1], { realpath: false })`,
  after: `import slocket from 'slocket'
    await slocket(\`\${process.argv[1]}.lock\`)`,
} as const

/** Has the tests run with each of the two. */
export function describeBoth(example: string, tests: (version: Version) => void): void {
  for (const name of ['before', 'after'] as const) {
    describe(`the example ${example}: ${name}.mjs`, () => {
      const place = placeExample(example, ['proper-lockfile'])
      after(() => place.close())
      tests({
        place,
        program: (...parameters) => node(`${name}.mjs`, ...parameters),
        holder: (path) =>
          node('--input-type=module', '-e', `${HOLDERS[name]}\nconsole.log('held')\nsetInterval(() => {}, 1000)`, path),
      })
    })
  }
}
