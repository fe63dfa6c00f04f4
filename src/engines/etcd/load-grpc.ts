/** Loads the client packages for etcd, when the first lock is asked for. */
import type * as Grpc from '@grpc/grpc-js'
import type * as Loader from '@grpc/proto-loader'
import { asMissingClient } from '../missing-client.ts'
import { PROTOCOL, SERVICE_OF } from './protocol.ts'

export interface LoadedGrpc {
  readonly grpc: typeof Grpc
  readonly methods: ReadonlyMap<string, Loader.MethodDefinition<object, object>>
}

type Load = (name: '@grpc/grpc-js' | '@grpc/proto-loader') => Promise<unknown>

/** Shared by all engines of this process. */
let loading: Promise<LoadedGrpc> | undefined

/** @throws ERR_SLOCKET_NO_CLIENT if they are not installed. */
export async function loadGrpc(): Promise<LoadedGrpc> {
  loading ??= loadBy(importPackage)
  try {
    return await loading
  } catch (error) {
    // They may be installed by the next call.
    loading = undefined
    throw error
  }
}

/** In the package, these are calls of `require`: scripts/build-dist.js. */
async function importPackage(name: '@grpc/grpc-js' | '@grpc/proto-loader'): Promise<unknown> {
  try {
    return name === '@grpc/grpc-js' ? await import('@grpc/grpc-js') : await import('@grpc/proto-loader')
  } catch (error) {
    throw asMissing(error)
  }
}

function asMissing(error: unknown): unknown {
  return asMissingClient(
    error,
    'locks in etcd need two packages that are not installed',
    '@grpc/grpc-js @grpc/proto-loader',
  )
}

/** @param load for tests. */
export async function loadBy(load: Load): Promise<LoadedGrpc> {
  let grpc: typeof Grpc
  let loader: typeof Loader
  try {
    grpc = (await load('@grpc/grpc-js')) as typeof Grpc
    loader = (await load('@grpc/proto-loader')) as typeof Loader
  } catch (error) {
    throw asMissing(error)
  }
  const services = loader.fromJSON(PROTOCOL, { longs: String })
  const methods = new Map<string, Loader.MethodDefinition<object, object>>()
  for (const [method, service] of SERVICE_OF) {
    const definition = services[service] as unknown as Record<string, Loader.MethodDefinition<object, object>>
    methods.set(method, definition[method]!)
  }
  return { grpc, methods }
}
