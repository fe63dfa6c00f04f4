/** A list of requests that wait, in their order. A request is in one list at a time: its neighbours are fields of its own. */
import type { Request } from './request.ts'

export class RequestList {
  length: number = 0
  private first: Request | undefined = undefined
  private last: Request | undefined = undefined

  append(request: Request): void {
    request.previous = this.last
    if (this.last === undefined) this.first = request
    else this.last.next = request
    this.last = request
    this.length += 1
  }

  /** Removes a request that is in this list. */
  remove(request: Request): void {
    const { previous, next } = request
    if (previous === undefined) this.first = next
    else previous.next = next
    if (next === undefined) this.last = previous
    else next.previous = previous
    request.group = undefined
    // The caller may keep it for long: it must not keep the others.
    request.previous = undefined
    request.next = undefined
    this.length -= 1
  }

  /** Removes the first one, and returns it. */
  shift(): Request | undefined {
    const { first } = this
    if (first !== undefined) this.remove(first)
    return first
  }

  /** Removes the last one, and returns it. */
  pop(): Request | undefined {
    const { last } = this
    if (last !== undefined) this.remove(last)
    return last
  }

  /** Removes all, and returns them. */
  takeAll(): Request[] {
    const all = this.toArray()
    for (const request of all) this.remove(request)
    return all
  }

  toArray(): Request[] {
    return this.slice(0, this.length)
  }

  /** Those from the place `start` up to, but not including, the place `end`; the first one is at 0. */
  slice(start: number, end: number): Request[] {
    const requests: Request[] = []
    let place = 0
    for (let request = this.first; request !== undefined && place < end; request = request.next, place += 1) {
      if (place >= start) requests.push(request)
    }
    return requests
  }
}
