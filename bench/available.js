// Contestants that may not be available on this machine, or with this Node.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FLOCK, SLICE } from './contestants/index.js'
import { run, scriptPath } from './processes.js'

/** How each of them takes a free lock, and which errors mean that it isn't available. Any other error is a failure, and shows when it is measured. */
const OPTIONAL = [
  {
    name: SLICE,
    program: inNode,
    isMissing: ({ stderr }) => stderr.includes("unknown option 'slice'"),
    reason: "this build doesn't know the option",
  },
  {
    name: 'fs-ext',
    program: inNode,
    isMissing: ({ stderr }) => /ERR_MODULE_NOT_FOUND|ERR_DLOPEN_FAILED|Cannot find module/.test(stderr),
    reason: `it isn't compiled for Node ${process.version.slice(1)}`,
  },
  {
    name: FLOCK,
    program: (_, path) => ['flock', [path, 'true']],
    isMissing: ({ code }) => code === 'ENOENT',
    reason: 'it is not installed',
  },
]

/** The contestants that aren't available, each with the reason: [{ name, reason }]. */
export async function findMissing() {
  const directory = mkdtempSync(join(tmpdir(), 'slocket-bench-'))
  try {
    const found = []
    for (const { name, program, isMissing, reason } of OPTIONAL) {
      try {
        await run(...program(name, join(directory, name)))
      } catch (error) {
        if (isMissing(error)) found.push({ name, reason })
      }
    }
    return found
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function inNode(name, path) {
  return [process.execPath, [scriptPath('probe.js'), name, path]]
}
