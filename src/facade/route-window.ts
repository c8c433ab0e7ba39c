import {
  baselineOf,
  CountWindow,
  judge,
  noBaseline,
  p95,
  type Baseline,
  type Judgement,
  type SideCounts,
} from './judge.ts'
import type { RouteReport } from './outcomes.ts'
import type { StoredRoute } from './rollout.ts'

const usualWindowMs = 60_000

/** What processes reported of a route since its last change. */
export class RouteWindow {
  readonly version: number
  readonly #rollback: StoredRoute['definition']['rollback']
  readonly #legacy: CountWindow
  readonly #new: CountWindow
  readonly #shadows = { same: 0, different: 0, failed: 0, skipped: 0 }
  #fallbacks = 0
  #baseline: Baseline

  /** `before` is the window of the version before, whose baseline applies until legacy has enough calls again. */
  constructor({ version, definition: { rollback } }: StoredRoute, before?: RouteWindow) {
    this.version = version
    this.#rollback = rollback
    const windowMs = rollback === null ? usualWindowMs : 1000 * rollback.windowSeconds
    this.#legacy = new CountWindow(windowMs)
    this.#new = new CountWindow(windowMs)
    this.#baseline = before === undefined ? noBaseline : before.#baseline
  }

  /** Takes in what a process reports; of other versions it says nothing about this one. */
  add(report: RouteReport, now: number): void {
    if (report.version !== this.version) return
    this.#legacy.add(report.legacy, now)
    this.#new.add(report.new, now)
    this.#fallbacks += report.fallbacks
    for (const outcome of ['same', 'different', 'failed', 'skipped'] as const)
      this.#shadows[outcome] += report.shadows[outcome]
  }

  /** Whether the new side is worse than legacy now. */
  judge(now: number): Judgement {
    if (this.#rollback === null) return { kind: 'unknown' }
    this.#baseline = baselineOf(this.#legacy.sum(now), this.#rollback.minCalls, this.#baseline)
    return judge(this.#rollback, this.#new.sum(now), this.#baseline)
  }

  figures(now: number) {
    return {
      legacy: shown(this.#legacy.sum(now)),
      new: shown(this.#new.sum(now)),
      fallbacks: this.#fallbacks,
      shadows: { ...this.#shadows },
    }
  }
}

function shown(counts: SideCounts): { calls: number; errors: number; p95Ms: number | null } {
  const ms = p95(counts)
  return { calls: counts.calls, errors: counts.errors, p95Ms: ms === undefined ? null : Math.round(10 * ms) / 10 }
}
