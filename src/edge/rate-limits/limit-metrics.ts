import { gatewayNamed } from '../../../durable-objects/address.ts'
import type { Env } from '../../env.ts'
import type { MetricFamily } from '../../kernel/exposition.ts'
import type { Counters } from '../../limits/counters.ts'
import { decider } from './request-limits.ts'

const figures: readonly (readonly [field: keyof Counters, name: string, help: string])[] = [
  ['decisions', 'decisions_total', 'Decisions by a rate limit policy.'],
  ['refusals', 'refusals_total', 'Decisions that refused.'],
  ['asks', 'lease_calls_total', 'Calls to limiters.'],
  ['lent', 'leased_units_total', 'Units lent by limiters.'],
  ['returned', 'returned_units_total', 'Units given back to limiters unspent.'],
  ['failedOpen', 'unreachable_open_total', 'Decisions made without a limiter that could not be reached: allowed.'],
  ['failedClosed', 'unreachable_closed_total', 'Decisions made without a limiter that could not be reached: refused.'],
]

/** What one holder of leases decided, by policy. */
interface HolderTallies {
  readonly holder: string
  readonly tallies: Readonly<Record<string, Counters>>
}

/** What holders decided, for /metrics: by policy and never by key. */
export const limitFamilies = (holders: readonly HolderTallies[]): MetricFamily[] =>
  figures.map(([field, name, help]) => ({
    name: `parley_limit_${name}`,
    type: 'counter',
    help,
    samples: holders.flatMap(({ holder, tallies }) =>
      Object.entries(tallies).map(([policy, counters]) => ({ labels: { holder, policy }, value: counters[field] })),
    ),
  }))

/** The keys refused most, here and at the given gateways; for operators only, since keys name tenants and users. */
export async function refusedMost(env: Env, gateways: readonly string[]) {
  const there = await Promise.all(
    gateways.map(async (gateway) => {
      const { refused } = await gatewayNamed(env, gateway).limitMetrics()
      return refused.map((each) => ({ holder: gateway, ...each }))
    }),
  )
  const here = decider.holder.counters.top.list().map((each) => ({ holder: 'edge', ...each }))
  return [...here, ...there.flat()].toSorted((a, b) => b.refusals - a.refusals).slice(0, 100)
}
