// Writes report.txt, in one process at a time: node report.cjs [SECONDS]
const { rename, rm, writeFile } = require('node:fs/promises')
const { setTimeout } = require('node:timers/promises')
const slocket = require('slocket')

const seconds = Number(process.argv[2] ?? 60)

async function main() {
  const lock = await slocket.try('report.lock', { label: 'nightly report' })
  if (lock === null) return console.log(await describeHolder())
  try {
    if (lock.recovered) {
      console.log('the last run was killed: what it has left is removed')
      await rm('report.txt.part', { force: true })
    }
    await writeReport()
    lock.assertHeld()
    await rename('report.txt.part', 'report.txt')
    console.log('report.txt is written')
  } finally {
    await lock.release()
  }
}

async function describeHolder() {
  const { held } = await slocket.query('report.lock')
  const [holder] = held
  if (holder === undefined) return 'another run has ended just now'
  return `still running: process ${holder.pid}, since ${holder.since?.toISOString()}`
}

/** Stands for the work. */
async function writeReport() {
  await writeFile('report.txt.part', 'half of the report\n')
  console.log('begins')
  await setTimeout(seconds * 1000)
  await writeFile('report.txt.part', 'all of the report\n', { flush: true })
}

void main()
