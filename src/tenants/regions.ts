import { BoundedMap } from '../kernel/bounded-map.ts'
import { regionHints, type RegionHint } from '../protocol/places.ts'

/** Where an actor is created when it is called for the first time, as Cloudflare takes it. */
export interface LocationHint {
  readonly locationHint: RegionHint
}

/** The hints, each made once, by region. */
export const locationHints: ReadonlyMap<string, LocationHint> = new Map(
  regionHints.map((locationHint) => [locationHint, { locationHint }]),
)

/** The hints of tenants that have a region and whose record this isolate has read. */
export const hintsOfTenants = new BoundedMap<string, LocationHint>(10_000)

/** Has the actors of a tenant created in its region from now on, where this isolate is the first to call them. */
export function noteRegion(tenant: string, region: RegionHint | undefined): void {
  const hint = region === undefined ? undefined : locationHints.get(region)
  if (hint === undefined) hintsOfTenants.delete(tenant)
  else hintsOfTenants.set(tenant, hint)
}
