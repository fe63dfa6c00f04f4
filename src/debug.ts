/** `NODE_DEBUG=slocket` tells what happens, in the words of docs/glossary.md. */
import { debuglog } from 'node:util'

/** Prints one line to stderr when NODE_DEBUG names slocket. */
export const debug: ReturnType<typeof debuglog> = debuglog('slocket')

/** Whether it prints: asked before it is called where that would cost more than what is done there. */
export const isDebugging: boolean = debug.enabled
