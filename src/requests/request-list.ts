/**
 * Linked lists of requests, in their order. The list is the object that the requests belong to, and its links are fields of the requests, so a list costs no object. A request is in one
 * list at a time.
 */
import type { Request, RequestGroup } from './request.ts'

export interface RequestList extends RequestGroup {
  first: Request | undefined
  last: Request | undefined
}

export function append(list: RequestList, request: Request): void {
  request.group = list
  request.previous = list.last
  if (list.last === undefined) list.first = request
  else list.last.next = request
  list.last = request
}

/** Removes a request that is in this list. */
export function remove(list: RequestList, request: Request): void {
  const { previous, next } = request
  if (previous === undefined) list.first = next
  else previous.next = next
  if (next === undefined) list.last = previous
  else next.previous = previous
  request.group = undefined
  // The caller may keep this request for a long time: it must not keep the others alive.
  request.previous = undefined
  request.next = undefined
}

/** The requests from `first` up to, but not including, `end`. */
export function requestsFrom(first: Request | undefined, end?: Request): Request[] {
  const requests: Request[] = []
  for (let request = first; request !== undefined && request !== end; request = request.next) requests.push(request)
  return requests
}
