import { BoundedMap } from '../kernel/bounded-map.ts'

/** Tenants whose erasure has begun, as far as this isolate was told. There is no way back for them. */
const erased = new BoundedMap<string, true>(10_000)

/** Thrown by an actor that is asked to store something of a tenant whose erasure has begun. */
export class TenantErased extends Error {
  constructor(tenant: string) {
    super(`the tenant ${tenant} was deleted`)
    this.name = 'TenantErased'
  }
}

export const noteErased = (tenant: string): void => void erased.set(tenant, true)

export const isKnownErased = (tenant: string): boolean => erased.has(tenant)

/** Throws TenantErased where the isolate knows that the tenant is being erased: asked before an actor stores its first row. */
export function requireTenant(tenant: string): void {
  if (erased.has(tenant)) throw new TenantErased(tenant)
}
