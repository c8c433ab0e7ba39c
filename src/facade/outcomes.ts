import { z } from 'zod'
import { BoundedMap } from '../kernel/bounded-map.ts'
import { differenceReport, type DifferenceReport } from '../protocol/facade-api.ts'
import { durationNumber } from './judge.ts'
import type { Side } from './route.ts'

const sideCounts = z.object({ calls: z.number(), errors: z.number(), durations: z.record(z.string(), z.number()) })

/** How a shadow ended. */
export type ShadowOutcome = 'same' | 'different' | 'failed' | 'skipped'

/** What one process did with one version of a route since its last report. */
export const routeReport = z.object({
  route: z.string(),
  version: z.number(),
  legacy: sideCounts,
  new: sideCounts,
  fallbacks: z.number(),
  shadows: z.object({ same: z.number(), different: z.number(), failed: z.number(), skipped: z.number() }),
  differences: z.array(differenceReport),
})
export type RouteReport = z.output<typeof routeReport>

/** A route of a tenant, in one version. */
export interface CountedRoute {
  readonly tenant: string
  readonly route: string
  readonly version: number
}

const maxTenants = 1000
const maxRoutes = 200
/** Differences of a route that one report holds. */
export const maxReported = 5

const newReport = ({ route, version }: CountedRoute): RouteReport => ({
  route,
  version,
  legacy: { calls: 0, errors: 0, durations: {} },
  new: { calls: 0, errors: 0, durations: {} },
  fallbacks: 0,
  shadows: { same: 0, different: 0, failed: 0, skipped: 0 },
  differences: [],
})

/** What a process did with the routes of tenants and did not report yet. */
export class OutcomeCounts {
  readonly #tenants = new BoundedMap<string, BoundedMap<string, RouteReport>>(maxTenants)

  /** A call to one side ended; `ms` until the headers of its response, undefined when it was not made. */
  noteCall(route: CountedRoute, side: Side, isError: boolean, ms: number | undefined): void {
    const counts = this.#of(route)[side]
    counts.calls++
    if (isError) counts.errors++
    if (ms === undefined) return
    const number = durationNumber(ms)
    counts.durations[number] = (counts.durations[number] ?? 0) + 1
  }

  noteFallback(route: CountedRoute): void {
    this.#of(route).fallbacks++
  }

  noteShadow(route: CountedRoute, outcome: ShadowOutcome, difference?: DifferenceReport): void {
    const report = this.#of(route)
    report.shadows[outcome]++
    if (difference !== undefined && report.differences.length < maxReported) report.differences.push(difference)
  }

  /** What is not reported yet of a tenant; from now on it counts as reported. */
  take(tenant: string): RouteReport[] {
    const reports = [...(this.#tenants.get(tenant)?.values() ?? [])]
    this.#tenants.delete(tenant)
    return reports
  }

  #of(counted: CountedRoute): RouteReport {
    const routes = this.#tenants.get(counted.tenant) ?? new BoundedMap<string, RouteReport>(maxRoutes)
    if (!this.#tenants.has(counted.tenant)) this.#tenants.set(counted.tenant, routes)
    const key = `${counted.route}/${counted.version}`
    const report = routes.get(key) ?? newReport(counted)
    if (!routes.has(key)) routes.set(key, report)
    return report
  }
}
