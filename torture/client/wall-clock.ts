/** The wall clock of this process alone, which can be set: the time of `Date`. */

const RealDate = Date
let shiftMs = 0

/** From now on `Date` is `ms` ahead of the clock, or behind. */
export function shiftClock(ms: number): void {
  shiftMs = ms
  globalThis.Date = ShiftedDate
}

const ShiftedDate = new Proxy(RealDate, {
  construct: (target, parameters: [], newTarget) =>
    Reflect.construct(target, parameters.length === 0 ? [target.now() + shiftMs] : parameters, newTarget) as object,
  get: (target, property, receiver) =>
    property === 'now' ? () => target.now() + shiftMs : (Reflect.get(target, property, receiver) as unknown),
})
