import type { FacadeDefinition, facadeStates } from '../protocol/facade-api.ts'

/** The system that is taken apart, and what takes its place. */
export type Side = 'legacy' | 'new'

export const otherSide = (side: Side): Side => (side === 'legacy' ? 'new' : 'legacy')

export type RouteState = (typeof facadeStates)[number]

/** A route as processes use it. */
export interface PublishedRoute {
  readonly name: string
  /** Grows with every change. */
  readonly version: number
  readonly state: RouteState
  readonly percent: number
  /** The percent that applies until a time, so that all processes change at one moment. */
  readonly before: { readonly percent: number; readonly until: number } | null
  readonly definition: FacadeDefinition
}

/** The tag of what is cached of a tenant's routes. */
export const facadeTag = (tenant: string): string => `facade:${tenant}`
