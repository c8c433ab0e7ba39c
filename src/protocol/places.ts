import { z } from 'zod'

/** Where Cloudflare creates an object on demand. */
export const regionHints = [
  'wnam',
  'enam',
  'sam',
  'weur',
  'eeur',
  'apac',
  'apac-ne',
  'apac-se',
  'oc',
  'afr',
  'me',
] as const
export const regionHint = z.enum(regionHints)
export type RegionHint = z.output<typeof regionHint>

/** Areas that an actor's data and computation can be confined to. */
export const jurisdictions = ['eu', 'us', 'fedramp', 'fedramp-high'] as const
export const jurisdiction = z.enum(jurisdictions)
export type Jurisdiction = z.output<typeof jurisdiction>

const isJurisdiction = (text: string): text is Jurisdiction => jurisdictions.some((each) => each === text)

/** The jurisdiction in a tenant's id, which follows its dot. Throws when there is none, or no such one. */
export function jurisdictionOf(tenant: string): Jurisdiction {
  const named = tenant.slice(tenant.indexOf('.') + 1)
  if (!isJurisdiction(named)) throw new Error(`tenant "${tenant}": no jurisdiction is named "${named}"`)
  return named
}

/** The jurisdiction in a tenant's id; undefined for an id without one. */
export const jurisdictionIn = (tenant: string): Jurisdiction | undefined =>
  tenant.includes('.') ? jurisdictionOf(tenant) : undefined
