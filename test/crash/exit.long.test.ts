// The kinds of end that exit.test.ts leaves out.
import { ENDS, testFormerFirst, testHolderFirst } from './exit-suite.ts'

for (const kind of ENDS.filter(({ name }) => name !== 'process.exit' && name !== 'SIGTERM')) {
  testHolderFirst(kind)
  testFormerFirst(kind)
}
