// The commands that output.test.ts leaves out.
import { testOutput } from './output-suite.ts'

testOutput('--version')
testOutput('help', 'run')
testOutput('run', '--help')
testOutput('status', '--json')
testOutput('status', '--watch', '--json')
testOutput('doctor')
testOutput('completion', 'zsh')
testOutput('completion', 'fish')
