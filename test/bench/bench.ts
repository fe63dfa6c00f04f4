// The pure parts of bench/, which is plain JavaScript in a package of its own.
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
  readonly count: number
}

export interface Statistics {
  quantile(values: readonly number[], q: number): number
  median(values: readonly number[]): number
  spread(values: readonly number[]): Spread
  jain(shares: readonly number[]): number
  pairedRatios(ofs: readonly number[], overs: readonly number[]): number[]
}

export interface Bar {
  readonly label: string
  readonly value?: number
  readonly min?: number
  readonly max?: number
  readonly text: string
  readonly isOurs: boolean
  readonly isFloor?: boolean
}

export interface Plots {
  plot(content: { title: string; groups: readonly { title: string; bars: readonly Bar[] }[] }): string
}

export interface Run {
  readonly metrics?: Readonly<Record<string, number>>
  readonly error?: string
}

export interface Summaries {
  ratio(
    contestants: Readonly<Record<string, readonly (Run | null)[]>>,
    metric: string,
    of: string,
    over: string,
  ): Spread | undefined
  judge(
    targets: readonly object[],
    cases: readonly object[],
    results: object,
  ): { readonly reached?: Spread; readonly isMet?: boolean }[]
}

export interface Names {
  number(value: number): string
}

/** A file of bench/, as seen from build/test/bench/. */
export async function load<T>(file: string): Promise<T> {
  return (await import(new URL(`../../../bench/${file}`, import.meta.url).href)) as T
}
