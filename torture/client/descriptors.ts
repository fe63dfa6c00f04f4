/** The file descriptors of this process: how many are open, and how to use them up. */
import fs from 'node:fs'

/**
 * The targets of this process's descriptors, if they may belong to a lock: sockets and directories. (If a thread is ended while it loads files, those stay
 * open: Node 20. libuv keeps a descriptor of `/` in reserve, to accept a connection when there are no others: uv__emfile_trick.) Undefined if there is no
 * descriptor left to look with.
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
      // The descriptor of this listing itself.
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

/** Opens files until only `spare` descriptors are left, and closes them `ms` later. */
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
