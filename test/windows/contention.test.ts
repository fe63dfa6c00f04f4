/** Processes contend, some are killed, and another program opens the lock's files for a moment again and again, as a virus scanner does. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Client } from '../helpers/client.ts'
import type { PlainOptions } from '../helpers/commands.ts'
import { scenario } from '../helpers/scenario.ts'
import type { Scene } from '../helpers/scenario.ts'
import { until } from '../helpers/until.ts'
import { ELSEWHERE } from './on-windows.ts'

const skip = { skip: ELSEWHERE }
/** How many grants there are between two kills, at least. */
const GRANTS = 20

/** Opens whatever it finds below a directory, reads it, looks at its size, and closes it. */
const SCANNER = `
const fs = require('node:fs'), path = require('node:path')
const lock = process.argv[1]
fs.writeSync(1, 'ready')
let opened = 0
setInterval(() => {
  for (let times = 0; times < 20; times += 1) {
    try {
      for (const name of fs.readdirSync(lock)) {
        const file = path.join(lock, name)
        try {
          fs.lstatSync(file)
          const descriptor = fs.openSync(file, 'r')
          opened += 1
          try { fs.readSync(descriptor, Buffer.alloc(200), 0, 200, 0) } finally { fs.closeSync(descriptor) }
        } catch {}
      }
    } catch {}
  }
}, 1)
process.stdin.on('data', () => {
  fs.writeSync(1, String(opened))
  process.exit()
})`

scenario('exclusive and shared holders are killed: conflicting ones never hold together', skip, async (scene) => {
  await contendAndKill(scene, [{}, { mode: 'shared' }, {}, { mode: 'shared' }])
})

scenario('the same if exclusive holders are downgraded', skip, async (scene) => {
  await contendAndKill(scene, [{}, { mode: 'shared' }, {}, { mode: 'shared' }], true)
})

scenario('two permits, and holders are killed: more than two are never held', skip, async (scene) => {
  const permit = { permits: 2 }
  await contendAndKill(scene, [permit, permit, permit, permit])
})

scenario(
  'five permits, several at once, and holders are killed: more than five are never held',
  skip,
  async (scene) => {
    await contendAndKill(scene, [
      { permits: 5, take: 3 },
      { permits: 5 },
      { permits: 5, take: 2 },
      { permits: 5, take: 2 },
    ])
  },
)

scenario('a scanner that opens the files of the lock only costs time', skip, async (scene) => {
  const scanner = spawn(process.execPath, ['-e', SCANNER, scene.path], { stdio: ['pipe', 'pipe', 'inherit'] })
  scene.onEnd(() => void scanner.kill('SIGKILL'))
  let said = ''
  scanner.stdout.setEncoding('latin1').on('data', (text: string) => (said += text))
  await until('the scanner runs', () => said === 'ready')
  const clients = await scene.spawnAll('a', 'b', 'c')
  for (const client of clients)
    client.send({ do: 'contend', path: scene.path, rounds: 30, options: { linger: 0 }, counter: scene.counter })
  for (const client of clients) await client.next('done')
  said = ''
  scanner.stdin.write('\n')
  await once(scanner, 'exit')
  if (!(Number(said) > 0)) throw new Error(`the scanner opened '${said}' files`)
})

async function contendAndKill(
  scene: Scene,
  claims: readonly PlainOptions[],
  downgrades: boolean = false,
): Promise<void> {
  const clients = await scene.spawnAll('a', 'b', 'c', 'd', 'e', 'f', 'g')
  const coming: Client[] = [...clients]
  const contend = (client: Client, index: number): void => {
    const options = { ...claims[index % claims.length], linger: index % 2 === 0 ? 0 : 100 }
    const downgrade = downgrades && options.mode !== 'shared'
    client.send({ do: 'contend', path: scene.path, rounds: 1_000_000, options, downgrade })
  }
  for (const [index, client] of coming.splice(0, claims.length).entries()) contend(client, index)
  for (const [index, client] of clients.entries()) {
    const before = scene.journal.grants().length
    await until('they go on', () => {
      scene.verifyClients()
      return scene.journal.grants().length >= before + GRANTS
    })
    await client.kill()
    for (const next of coming.splice(0, 1)) contend(next, index)
  }
}
