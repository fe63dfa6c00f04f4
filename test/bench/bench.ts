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
  gaps(releases: readonly number[], grants: readonly number[]): number[]
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

export interface Line {
  readonly label: string
  readonly isOurs: boolean
  readonly places: readonly { readonly x: number; readonly y: number; readonly text: string }[]
}

export interface Plots {
  plot(content: { title: string; groups: readonly { title: string; bars: readonly Bar[] }[] }): string
  plotLines(content: { title: string; axis: string; lines: readonly Line[] }): string
}

export interface EngineReports {
  fillTables(text: string, results: { cases: object }): string
}

export interface EnginePlots {
  drawEnginePlots(results: { cases: object }, directory: string): void
}

export interface Overviews {
  readonly COLUMNS: readonly { readonly title: string }[]
  overview(
    results: object,
    engines: object | undefined,
  ): { readonly title: string; readonly values: readonly (Spread | undefined)[] }[]
}

export interface Case {
  readonly name: string
  readonly columns: readonly { readonly metric: string }[]
  readonly plots: readonly { readonly metric: string; readonly axis?: string }[]
  points(settings: object): readonly string[]
  contestants(point: string): readonly string[]
}

export interface Cases {
  readonly CASES: readonly Case[]
}

export interface Target {
  readonly case: string
  readonly point: string
  readonly metric: string
  readonly of?: string
  readonly over?: string
  readonly overPoint?: string
  readonly least?: number
  readonly most?: number
}

export interface Reports {
  report(cases: readonly object[], results: object, beside?: { others?: readonly object[]; engines?: object }): string
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
