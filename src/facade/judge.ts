import type { FacadeDefinition } from '../protocol/facade-api.ts'

/** What one side did in some time. */
export interface SideCounts {
  readonly calls: number
  /** 5xx, timeouts, broken connections, and calls that an open breaker refused. */
  readonly errors: number
  /** Calls by the number of their duration, see {@link durationNumber}. */
  readonly durations: Readonly<Record<string, number>>
}

export const noCounts: SideCounts = { calls: 0, errors: 0, durations: {} }

/** Each duration is by so much longer than the one before: percentiles are exact to 5 %. */
const ratio = 1.1
/** About an hour. */
const maxNumber = 160

/** The number of a duration in milliseconds. */
export const durationNumber = (ms: number): number =>
  Math.min(maxNumber, Math.max(0, Math.round(Math.log(Math.max(1, ms)) / Math.log(ratio))))

/** The 95th percentile of calls, in milliseconds; undefined without calls. */
export function p95({ durations }: Pick<SideCounts, 'durations'>): number | undefined {
  const numbers = Object.entries(durations)
    .map(([number, calls]) => [Number(number), calls] as const)
    .toSorted(([one], [other]) => one - other)
  const all = numbers.reduce((sum, [, calls]) => sum + calls, 0)
  let seen = 0
  for (const [number, calls] of numbers) {
    seen += calls
    if (seen >= 0.95 * all) return ratio ** number
  }
  return undefined
}

/** The counts of several reports or times together. */
export function addCounts(one: SideCounts, other: SideCounts): SideCounts {
  const durations: Record<string, number> = { ...one.durations }
  for (const [number, calls] of Object.entries(other.durations)) durations[number] = (durations[number] ?? 0) + calls
  return { calls: one.calls + other.calls, errors: one.errors + other.errors, durations }
}

/** What the new side is held against where legacy has too few calls. */
export interface Baseline {
  readonly errorRate: number
  /** Undefined when it is not known. */
  readonly p95Ms: number | undefined
}

export const noBaseline: Baseline = { errorRate: 0, p95Ms: undefined }

const errorRate = ({ calls, errors }: SideCounts): number => (calls === 0 ? 0 : errors / calls)

/** What legacy did, where it has enough calls to be compared with; otherwise what was known before. */
export const baselineOf = (legacy: SideCounts, minCalls: number, before: Baseline): Baseline =>
  legacy.calls >= minCalls ? { errorRate: errorRate(legacy), p95Ms: p95(legacy) } : before

export type Judgement = { readonly kind: 'unknown' | 'healthy' } | { readonly kind: 'worse'; readonly reason: string }

/** Fewer errors say nothing. */
const minErrors = 3
/** A p95 that is longer by less than this is not worse, whatever the margin. */
const minSlowerMs = 20

const percentText = (rate: number): string => `${(100 * rate).toFixed(1)} %`
const msText = (ms: number): string => `${Math.round(ms)} ms`

/** Whether the new side is worse than legacy by a margin of the route. */
export function judge(
  { minCalls, errorMargin, p95Margin }: NonNullable<FacadeDefinition['rollback']>,
  next: SideCounts,
  baseline: Baseline,
): Judgement {
  if (next.calls < minCalls) return { kind: 'unknown' }
  const rate = errorRate(next)
  if (next.errors >= minErrors && rate > baseline.errorRate + errorMargin / 100)
    return {
      kind: 'worse',
      reason: `error rate ${percentText(rate)}, of legacy ${percentText(baseline.errorRate)}`,
    }
  const slow = p95(next)
  const { p95Ms } = baseline
  if (slow !== undefined && p95Ms !== undefined && slow > Math.max(p95Ms * (1 + p95Margin / 100), p95Ms + minSlowerMs))
    return { kind: 'worse', reason: `p95 ${msText(slow)}, of legacy ${msText(p95Ms)}` }
  return { kind: 'healthy' }
}

const parts = 12

/** The counts of the last `windowMs`, in twelfths, so that what is older drops out step by step. */
export class CountWindow {
  readonly #partMs: number
  #parts: { readonly number: number; counts: SideCounts }[] = []

  constructor(windowMs: number) {
    this.#partMs = windowMs / parts
  }

  add(counts: SideCounts, now: number): void {
    const number = Math.floor(now / this.#partMs)
    this.#drop(number)
    const newest = this.#parts.at(-1)
    if (newest?.number === number) newest.counts = addCounts(newest.counts, counts)
    else this.#parts.push({ number, counts })
  }

  sum(now: number): SideCounts {
    this.#drop(Math.floor(now / this.#partMs))
    return this.#parts.reduce((sum, { counts }) => addCounts(sum, counts), noCounts)
  }

  #drop(number: number): void {
    this.#parts = this.#parts.filter((part) => part.number > number - parts)
  }
}
