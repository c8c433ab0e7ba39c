import { cacheEpochsOf } from '../../../durable-objects/address.ts'
import { callFacade } from '../../../durable-objects/open-facade.ts'
import { cachePorts } from '../../adapters/cache-ports.ts'
import { BadEndpoint } from '../../adapters/endpoint.ts'
import { processEpochs } from '../../adapters/process-epochs.ts'
import { upstreamAt, type Upstream } from '../../adapters/upstream.ts'
import { Cache } from '../../cache/cache.ts'
import { usual } from '../../cache/options.ts'
import type { Env } from '../../env.ts'
import { compareRules, type CompareRules } from '../../facade/diff.ts'
import type { CountedRoute } from '../../facade/outcomes.ts'
import { facadeTag, type PublishedRoute, type Side } from '../../facade/route.ts'
import { BoundedMap } from '../../kernel/bounded-map.ts'
import { log, reasonOf } from '../../kernel/log.ts'
import { idsOf } from '../../kernel/request-context.ts'
import { within } from '../../kernel/retry.ts'
import { tenantTag } from '../../tenants/cache.ts'
import type { TenantRecord } from '../../tenants/record.ts'
import { cachedTenant, invalidate, tenantRecordOf } from '../identity/tenants.ts'

/** A route as requests use it, made once. */
export interface UsedRoute {
  readonly route: PublishedRoute
  readonly counted: CountedRoute
  readonly allow: ReadonlySet<string>
  readonly rules: CompareRules
  /** A text says why the upstream may not be called any more. */
  readonly upstreams: Readonly<Record<Side, Upstream | string>>
}

interface TenantRoutes {
  readonly routes: ReadonlyMap<string, UsedRoute>
  readonly bytes: number
}

/** The routes of tenants in the memory of this process. */
export const facadeRoutes = new Cache<TenantRoutes>({
  ...usual,
  name: 'facade-routes',
  tags: (tenant) => [facadeTag(tenant), tenantTag(tenant)],
  maxBytes: 16_000_000,
  sizeOf: ({ bytes }) => bytes,
})

/** What was used last of a tenant, for when neither the actors nor the epochs answer. */
const lastUsed = new BoundedMap<string, FoundTenant>(1000)

/** A tenant with its routes. */
export interface FoundTenant {
  readonly record: TenantRecord
  readonly routes: TenantRoutes['routes']
}

/** What this process knows of a tenant and its routes, without waiting. */
export function cachedRoutes(tenant: string, now: number): FoundTenant | undefined {
  const record = cachedTenant(tenant, now)
  const known = record === undefined ? undefined : facadeRoutes.peek(tenant, processEpochs.view, now)
  return record === undefined || known === undefined ? undefined : { record, routes: known.routes }
}

/** A tenant and its routes; undefined when there is no such tenant. As they were last used while their owners do not answer. */
export async function routesOf(env: Env, tenant: string, now: number): Promise<FoundTenant | undefined> {
  try {
    const record = await tenantRecordOf(env, tenant, now)
    if (record === undefined) {
      lastUsed.delete(tenant)
      return undefined
    }
    const ports = cachePorts(env, (known, read) => cacheEpochsOf(env).since(known, read), now)
    const { routes = noRoutes } = (await facadeRoutes.read(tenant, () => loadRoutes(env, tenant), ports)) ?? {}
    const found = { record, routes }
    lastUsed.set(tenant, found)
    return found
  } catch (thrown) {
    const last = lastUsed.get(tenant)
    if (last === undefined) throw thrown
    log.warn('facade.routes-outdated', { ...idsOf(env.request), tenant, reason: reasonOf(thrown) })
    return last
  }
}

const noRoutes: TenantRoutes['routes'] = new Map()

/** A route of the tenant changed: here at once, elsewhere within a second. */
export async function forgetRoutes(env: Env, tenant: string): Promise<void> {
  facadeRoutes.drop(tenant)
  await invalidate(env, [facadeTag(tenant)])
}

/** How long a request waits for the routes before the last known ones apply. */
const loadMs = 2000

async function loadRoutes(env: Env, tenant: string): Promise<TenantRoutes> {
  const published = await within(
    loadMs,
    'the facade',
    callFacade(env, tenant, (facade) => facade.published()),
  )
  const routes = new Map(published.map((route) => [route.name, usedRoute(env, tenant, route)]))
  return { routes, bytes: 1000 + 4 * JSON.stringify(published).length }
}

function usedRoute(env: Env, tenant: string, route: PublishedRoute): UsedRoute {
  const { name, version, definition } = route
  const { shadow, allow } = definition
  return {
    route,
    counted: { tenant, route: name, version },
    allow: new Set(allow),
    rules: compareRules(shadow.ignore, shadow.values),
    upstreams: {
      legacy: upstreamOrReason(env, tenant, definition.legacy),
      new: upstreamOrReason(env, tenant, definition.new),
    },
  }
}

/** The operator may have taken a host from the list since the route was put. */
function upstreamOrReason(env: Env, tenant: string, given: PublishedRoute['definition'][Side]): Upstream | string {
  try {
    return upstreamAt(env, tenant, given)
  } catch (thrown) {
    if (thrown instanceof BadEndpoint) return thrown.message
    throw thrown
  }
}
