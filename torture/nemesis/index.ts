/** All nemeses, by name. A new one is written into a file here, and added to this list; a plan draws from all of them. */
import type { Nemesis } from './nemesis.ts'
import { block, end, hush, kill, killStopped, killWorker, replaceThread, stop, stopAll } from './processes.ts'
import { descriptors, fullDisk, removeDirectory, setClock, shiftClock, stranger } from './surroundings.ts'

export const NEMESES: Readonly<Record<string, Nemesis>> = {
  kill,
  'kill stopped': killStopped,
  'kill worker': killWorker,
  end,
  stop,
  'stop all': stopAll,
  block,
  hush,
  'replace thread': replaceThread,
  'full disk': fullDisk,
  descriptors,
  'remove directory': removeDirectory,
  'shift clock': shiftClock,
  'set clock': setClock,
  stranger,
}
