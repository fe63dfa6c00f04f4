// Few rounds of each race: names.long.test.ts has more of them.
import { testNames } from './names-suite.ts'

testNames(15)
