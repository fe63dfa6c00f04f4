import { testNames } from './names-suite.ts'

testNames(200)
