/** `NODE_DEBUG=slocket` logs what happens, in the terms of docs/glossary.md. */
import { debuglog } from 'node:util'

/** Prints one line to stderr when NODE_DEBUG names slocket. */
export const debug: ReturnType<typeof debuglog> = debuglog('slocket')

/** Whether `debug` prints. Check it first if calling `debug` would cost more than the work that it describes. */
export const isDebugging: boolean = debug.enabled
