import { breakerOf, platformOf } from '../../../../durable-objects/address.ts'
import { postgres, qstash, redis, replicaOf } from '../../../adapters/dependencies.ts'
import { breakerStateHere, callFigures, type CallFigures, type Dependency } from '../../../adapters/dependency.ts'
import { connectionOf, shardsOf } from '../../../adapters/neon/shards.ts'
import { loadConfig } from '../../../config.ts'
import type { Env } from '../../../env.ts'
import type { MetricFamily, Sample } from '../../../kernel/exposition.ts'
import { log, reasonOf } from '../../../kernel/log.ts'
import { idsOf } from '../../../kernel/request-context.ts'
import { within } from '../../../kernel/retry.ts'
import { breakerStates, type BreakerState } from '../../../resilience/opinion.ts'
import { replicaLabel } from '../../../tenants/replicas.ts'
import type { StoredBreaker, Transition } from '../../../resilience/shared-breaker.ts'

const actorDeadlineMs = 2000

/** The breaker of one outside service. */
export interface ListedBreaker {
  /** The service's name in `/readyz`. */
  readonly dependency: string
  readonly service: Dependency
  readonly state: BreakerState
  readonly openings: number
  readonly closings: number
  readonly probes: number
  readonly transitions: readonly Transition[]
}

/**
 * The breakers of the services of the platform: of all, or of those with these names. One whose actor does not answer is given as
 * this isolate sees it.
 */
export async function readBreakers(env: Env, names?: readonly string[]): Promise<ListedBreaker[]> {
  const services = await servicesOf(env)
  return await Promise.all(
    services
      .filter(([name]) => names?.includes(name) ?? true)
      .map(async ([dependency, service]) => {
        const stored = await storedOf(env, service.breaker.key)
        const { openings = 0, closings = 0, probes = 0, transitions = [] } = stored ?? {}
        const state = stored?.state ?? breakerStateHere(service)
        return { dependency, service, state, openings, closings, probes, transitions }
      }),
  )
}

/** The services of the platform by their names in `/readyz`; without databases whose address is missing or wrong. */
async function servicesOf(env: Env): Promise<(readonly [string, Dependency])[]> {
  const config = loadConfig(env)
  const { shards, replicas } = await shardsOf(config, platformOf(env))
  const labels = Object.entries(replicas).flatMap(([shard, all]) => all.map(({ name }) => replicaLabel(shard, name)))
  const databases = await Promise.all([
    databaseAt('directory', async () => config.directoryUrl),
    ...shards.map((shard) => databaseAt(shard.name, () => connectionOf(config, shard))),
  ])
  return [
    ...databases.flat(),
    ...labels.map((label) => [label, replicaOf(label)] as const),
    ...(config.redis === undefined ? [] : [['redis', redis] as const]),
    ...(config.qstash === undefined ? [] : [['qstash', qstash] as const]),
  ]
}

async function databaseAt(name: string, url: () => Promise<string>): Promise<(readonly [string, Dependency])[]> {
  try {
    return [[name, postgres(await url())]]
  } catch {
    return []
  }
}

/** The breakers of the hosts that a tenant named, as far as they have ever opened. */
export async function readEndpointBreakers(env: Env, tenant: string): Promise<Omit<ListedBreaker, 'service'>[]> {
  const states = await breakerOf(env, tenant, '').states()
  return states.map(({ key, breaker: { state, openings, closings, probes, transitions } }) => {
    return { dependency: key, state, openings, closings, probes, transitions }
  })
}

async function storedOf(env: Env, key: string): Promise<StoredBreaker | undefined> {
  try {
    const states = await within(actorDeadlineMs, 'the breaker', breakerOf(env, undefined, key).states())
    return states.find((state) => state.key === key)?.breaker
  } catch (thrown) {
    log.warn('breaker.unreachable', { ...idsOf(env.request), dependency: key, reason: reasonOf(thrown) })
    return undefined
  }
}

/** The families of breakers, and of the calls of this isolate. */
export function breakerFamilies(breakers: readonly ListedBreaker[]): MetricFamily[] {
  const changes = (to: string, count: (breaker: ListedBreaker) => number): Sample[] =>
    breakers.map((breaker) => ({ labels: { dependency: breaker.dependency, to }, value: count(breaker) }))
  const names = new Map(breakers.map(({ dependency, service }) => [service.name, dependency]))
  const calls = (value: (figures: Readonly<CallFigures>) => number): Sample[] =>
    [...callFigures()].map(([name, figures]) => ({
      labels: { dependency: names.get(name) ?? name },
      value: value(figures),
    }))
  return [
    {
      name: 'parley_breaker_state',
      type: 'gauge',
      help: 'Whether the breaker of an outside service is closed (0), open (1) or half-open (2), for all isolates.',
      samples: breakers.map(({ dependency, state }) => ({
        labels: { dependency },
        value: breakerStates.indexOf(state),
      })),
    },
    {
      name: 'parley_breaker_transitions_total',
      type: 'counter',
      help: 'How often a breaker has opened, let a probe out and closed.',
      samples: [
        ...changes('open', ({ openings }) => openings),
        ...changes('half-open', ({ probes }) => probes),
        ...changes('closed', ({ closings }) => closings),
      ],
    },
    {
      name: 'parley_dependency_calls_total',
      type: 'counter',
      help: 'Calls to an outside service since this isolate started.',
      samples: calls((figures) => figures.calls),
    },
    {
      name: 'parley_dependency_failures_total',
      type: 'counter',
      help: 'Those of them that failed.',
      samples: calls((figures) => figures.failures),
    },
    {
      name: 'parley_dependency_retries_total',
      type: 'counter',
      help: 'Those of them that repeated a failed one.',
      samples: calls((figures) => figures.retries),
    },
    {
      name: 'parley_dependency_refused_total',
      type: 'counter',
      help: 'Calls not made, since the breaker was open or too many were under way.',
      samples: calls((figures) => figures.refused),
    },
  ]
}
