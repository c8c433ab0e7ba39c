import { percentile } from '../statistics.ts'

/** What happened so far, in numbers that do not grow in size with time. */
export class Figures {
  readonly counts = new Map<string, number>()
  /** Refusals by code, and HTTP answers that are none of success. */
  readonly errors = new Map<string, number>()
  #latencies: number[] = []

  count(what: string): void {
    this.counts.set(what, this.of(what) + 1)
  }

  of(what: string): number {
    return this.counts.get(what) ?? 0
  }

  error(code: string): void {
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1)
  }

  /** Milliseconds from when a message was due until it was acknowledged. */
  took(ms: number): void {
    this.#latencies.push(ms)
  }

  /** Half and 99 % of the messages since the last call were acknowledged within this many milliseconds. */
  takeLatencies(): { readonly medianMs: number; readonly p99Ms: number } {
    const latencies = this.#latencies
    this.#latencies = []
    return { medianMs: percentile(latencies, 0.5), p99Ms: percentile(latencies, 0.99) }
  }
}
