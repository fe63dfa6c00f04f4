/** The descriptors of this process: how many it has, and how to have none left. */
import fs from 'node:fs'

/**
 * What the descriptors of this process lead to, as far as they may be a lock's: sockets and directories. (A thread that is
 * ended while it loads leaves open the files that it loads: Node 20. libuv keeps a descriptor of `/` in reserve, to accept
 * a connection with when there are no others: uv__emfile_trick.) Undefined while there is none to look with.
 */
export function openDescriptors(): string[] | undefined {
  return descriptors()?.flatMap((name) => {
    const file = `/proc/self/fd/${name}`
    try {
      const stats = fs.statSync(file)
      if (!stats.isSocket() && !stats.isDirectory()) return []
      const target = fs.readlinkSync(file)
      return target === '/' ? [] : [target]
    } catch {
      // The one that the listing itself was made by.
      return []
    }
  })
}

function descriptors(): string[] | undefined {
  try {
    return fs.readdirSync('/proc/self/fd')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EMFILE') return undefined
    throw error
  }
}

/** Opens files until only `spare` more could be opened, and closes them `ms` later. */
export function exhaustDescriptors(spare: number, ms: number): void {
  const opened: number[] = []
  try {
    for (;;) opened.push(fs.openSync('/dev/null', 'r'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EMFILE') throw error
  }
  for (let count = 0; count < spare && opened.length > 0; count += 1) fs.closeSync(opened.pop()!)
  setTimeout(() => {
    for (const descriptor of opened) fs.closeSync(descriptor)
  }, ms)
}
