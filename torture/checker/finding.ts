/** A violation of a rule. */
export interface Finding {
  /** The name of the rule that is broken. */
  readonly rule: string
  readonly at: number
  readonly what: string
}
