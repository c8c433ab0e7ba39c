import { gatewayNamed } from '../../durable-objects/address.ts'
import type { Env } from '../env.ts'
import type { Tally } from '../limits/tally.ts'
import { decider } from './limits.ts'

const figures: readonly (readonly [field: keyof Tally, name: string])[] = [
  ['decisions', 'decisions_total'],
  ['refusals', 'refusals_total'],
  ['asks', 'lease_calls_total'],
  ['lent', 'leased_units_total'],
  ['returned', 'returned_units_total'],
  ['failedOpen', 'unreachable_open_total'],
  ['failedClosed', 'unreachable_closed_total'],
]

/** What holders decided, for /metrics: this isolate's and the given gateways', by policy and never by key. */
export async function limitMetrics(env: Env, gateways: readonly string[]): Promise<string[]> {
  const lines = linesOf('edge', decider.holder.tallies.all())
  for (const gateway of gateways)
    lines.push(...linesOf(gateway, (await gatewayNamed(env, gateway).limitFigures()).policies))
  return lines
}

/** The keys refused most, here and at the given gateways; for operators only, since keys name tenants and users. */
export async function refusedMost(env: Env, gateways: readonly string[]) {
  const there = await Promise.all(
    gateways.map(async (gateway) => {
      const { refused } = await gatewayNamed(env, gateway).limitFigures()
      return refused.map((each) => ({ holder: gateway, ...each }))
    }),
  )
  const here = decider.holder.tallies.top.list().map((each) => ({ holder: 'edge', ...each }))
  return [...here, ...there.flat()].toSorted((a, b) => b.refusals - a.refusals).slice(0, 100)
}

const linesOf = (holder: string, tallies: Readonly<Record<string, Tally>>): string[] =>
  Object.entries(tallies).flatMap(([policy, tally]) =>
    figures.map(([field, name]) => `parley_limit_${name}{holder="${holder}",policy="${policy}"} ${tally[field]}`),
  )
