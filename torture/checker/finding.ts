/** Something that a rule of the checker has found broken. */
export interface Finding {
  /** The number of the promise in docs/guarantees.md, where it is one. */
  readonly rule: string
  readonly at: number
  readonly what: string
}
