/**
 * The protocol of etcd, as far as it is needed here: a description of its messages for @grpc/proto-loader, and their types. Numbers are those of
 * etcd's rpc.proto and kv.proto (v3.4 to v3.6); the names of fields do not go over the wire. Enumerations are numbers, so that an
 * unknown word cannot be mistaken for the first one. Keys and values, which are bytes in etcd's definitions, are strings here: on the wire that is the same.
 */

/** For `sortOrder`, `sortTarget`, `target` and `result`, `filters` and `type`. */
export const ASCENDING = 1
export const DESCENDING = 2
export const BY_CREATION = 2
export const IS_EQUAL = 0
export const IS_GREATER = 1
export const IS_LESS = 2
export const CREATE_REVISION = 1
export const NO_PUTS = 0
export const IS_DELETED = 1

/** 64-bit numbers are decimal strings. A field that has its default value is missing in answers. */
export interface Header {
  readonly revision: string
}

export interface KeyValue {
  readonly key: string
  readonly createRevision: string
  readonly value?: string
  readonly lease?: string
}

export interface RangeRequest {
  readonly key: string
  readonly rangeEnd?: string
  readonly limit?: number
  readonly revision?: string
  readonly sortOrder?: number
  readonly sortTarget?: number
  readonly keysOnly?: boolean
  readonly minCreateRevision?: string
  readonly maxCreateRevision?: string
}

export interface RangeResponse {
  readonly header: Header
  readonly kvs?: readonly KeyValue[]
  readonly more?: boolean
}

export interface PutRequest {
  readonly key: string
  readonly value?: string
  readonly lease?: string
  readonly ignoreLease?: boolean
}

export interface DeleteRequest {
  readonly key: string
}

export interface Compare {
  readonly key: string
  /** If it is given, all keys from `key` to this one are compared. */
  readonly rangeEnd?: string
  readonly target: number
  readonly result: number
  readonly createRevision: string
}

export interface Operation {
  readonly range?: RangeRequest
  readonly put?: PutRequest
  readonly delete?: DeleteRequest
}

export interface TxnRequest {
  readonly compare?: readonly Compare[]
  readonly success: readonly Operation[]
  readonly failure?: readonly Operation[]
}

export interface TxnResponse {
  readonly header: Header
  readonly succeeded?: boolean
  readonly responses?: readonly { readonly range?: RangeResponse }[]
}

export interface WatchRequest {
  readonly create?: { readonly key: string; readonly filters?: readonly number[]; readonly watchId: string }
  readonly cancel?: { readonly watchId: string }
}

export interface WatchResponse {
  readonly watchId?: string
  readonly created?: boolean
  readonly canceled?: boolean
  readonly cancelReason?: string
  readonly events?: readonly { readonly type?: number }[]
}

/** Calls with one request and one answer. */
export interface Calls {
  Range: [RangeRequest, RangeResponse]
  Txn: [TxnRequest, TxnResponse]
  Put: [PutRequest, { readonly header: Header }]
  DeleteRange: [DeleteRequest, { readonly header: Header }]
  LeaseGrant: [{ readonly ttl: number }, { readonly id: string; readonly ttl: string }]
  LeaseRevoke: [{ readonly id: string }, unknown]
  LeaseTimeToLive: [{ readonly id: string; readonly keys: boolean }, { readonly keys?: readonly string[] }]
  Authenticate: [{ readonly name: string; readonly password: string }, { readonly token?: string }]
}

type Fields = Record<string, readonly [id: number, type: string]>

const message = (fields: Fields): object => ({
  fields: Object.fromEntries(
    Object.entries(fields).map(([name, [id, type]]) => {
      const isRepeated = type.endsWith('[]')
      return [name, { id, type: isRepeated ? type.slice(0, -2) : type, ...(isRepeated ? { rule: 'repeated' } : {}) }]
    }),
  ),
})

const unary = (request: string, response: string): object => ({ requestType: request, responseType: response })
const stream = (request: string, response: string): object => ({
  ...unary(request, response),
  requestStream: true,
  responseStream: true,
})

const MESSAGES: Record<string, Fields> = {
  Header: { revision: [3, 'int64'] },
  KeyValue: { key: [1, 'string'], createRevision: [2, 'int64'], value: [5, 'string'], lease: [6, 'int64'] },
  RangeRequest: {
    key: [1, 'string'],
    rangeEnd: [2, 'string'],
    limit: [3, 'int64'],
    revision: [4, 'int64'],
    sortOrder: [5, 'int32'],
    sortTarget: [6, 'int32'],
    keysOnly: [8, 'bool'],
    minCreateRevision: [12, 'int64'],
    maxCreateRevision: [13, 'int64'],
  },
  RangeResponse: { header: [1, 'Header'], kvs: [2, 'KeyValue[]'], more: [3, 'bool'] },
  PutRequest: { key: [1, 'string'], value: [2, 'string'], lease: [3, 'int64'], ignoreLease: [6, 'bool'] },
  PutResponse: { header: [1, 'Header'] },
  DeleteRequest: { key: [1, 'string'] },
  DeleteResponse: { header: [1, 'Header'] },
  Compare: {
    result: [1, 'int32'],
    target: [2, 'int32'],
    key: [3, 'string'],
    createRevision: [5, 'int64'],
    rangeEnd: [64, 'string'],
  },
  Operation: { range: [1, 'RangeRequest'], put: [2, 'PutRequest'], delete: [3, 'DeleteRequest'] },
  Result: { range: [1, 'RangeResponse'] },
  TxnRequest: { compare: [1, 'Compare[]'], success: [2, 'Operation[]'], failure: [3, 'Operation[]'] },
  TxnResponse: { header: [1, 'Header'], succeeded: [2, 'bool'], responses: [3, 'Result[]'] },
  Event: { type: [1, 'int32'] },
  WatchCreate: { key: [1, 'string'], filters: [5, 'int32[]'], watchId: [7, 'int64'] },
  WatchCancel: { watchId: [1, 'int64'] },
  WatchRequest: { create: [1, 'WatchCreate'], cancel: [2, 'WatchCancel'] },
  WatchResponse: {
    watchId: [2, 'int64'],
    created: [3, 'bool'],
    canceled: [4, 'bool'],
    cancelReason: [6, 'string'],
    events: [11, 'Event[]'],
  },
  LeaseGrantRequest: { ttl: [1, 'int64'] },
  LeaseGrantResponse: { id: [2, 'int64'], ttl: [3, 'int64'] },
  LeaseRevokeRequest: { id: [1, 'int64'] },
  LeaseRevokeResponse: {},
  LeaseKeepAliveRequest: { id: [1, 'int64'] },
  LeaseKeepAliveResponse: { id: [2, 'int64'], ttl: [3, 'int64'] },
  LeaseTimeToLiveRequest: { id: [1, 'int64'], keys: [2, 'bool'] },
  LeaseTimeToLiveResponse: { keys: [5, 'string[]'] },
  AuthenticateRequest: { name: [1, 'string'], password: [2, 'string'] },
  AuthenticateResponse: { token: [2, 'string'] },
}

const SERVICES: Record<string, Record<string, object>> = {
  KV: {
    Range: unary('RangeRequest', 'RangeResponse'),
    Put: unary('PutRequest', 'PutResponse'),
    DeleteRange: unary('DeleteRequest', 'DeleteResponse'),
    Txn: unary('TxnRequest', 'TxnResponse'),
  },
  Watch: { Watch: stream('WatchRequest', 'WatchResponse') },
  Lease: {
    LeaseGrant: unary('LeaseGrantRequest', 'LeaseGrantResponse'),
    LeaseRevoke: unary('LeaseRevokeRequest', 'LeaseRevokeResponse'),
    LeaseKeepAlive: stream('LeaseKeepAliveRequest', 'LeaseKeepAliveResponse'),
    LeaseTimeToLive: unary('LeaseTimeToLiveRequest', 'LeaseTimeToLiveResponse'),
  },
  Auth: { Authenticate: unary('AuthenticateRequest', 'AuthenticateResponse') },
}

const PACKAGE = 'etcdserverpb'

/** In the format of protobufjs. */
export const PROTOCOL: { nested: Record<string, object> } = {
  nested: {
    [PACKAGE]: {
      nested: {
        ...Object.fromEntries(Object.entries(MESSAGES).map(([name, fields]) => [name, message(fields)])),
        ...Object.fromEntries(Object.entries(SERVICES).map(([name, methods]) => [name, { methods }])),
      },
    },
  },
}

/** The full name of the service of each method. */
export const SERVICE_OF: ReadonlyMap<string, string> = new Map(
  Object.entries(SERVICES).flatMap(([service, methods]) =>
    Object.keys(methods).map((method) => [method, `${PACKAGE}.${service}`] as const),
  ),
)
