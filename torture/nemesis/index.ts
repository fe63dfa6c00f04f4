/** All nemeses, by name. Plans choose from this list. */
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
