import { hash32, mixed32 } from '../kernel/id.ts'
import { jurisdictionIn, type Jurisdiction, type RegionHint } from '../protocol/places.ts'
import type { Shard, StoredShard } from './shards.ts'

/** What a new tenant asks of its shard. */
export interface PlacementRequest {
  readonly jurisdiction?: Jurisdiction | undefined
  readonly region?: RegionHint | undefined
}

/**
 * The shards that a new tenant may be placed on: active ones of its jurisdiction, and of its region where there are any. A
 * shard of a jurisdiction takes no tenant without one.
 */
export function shardsFor(wanted: PlacementRequest, shards: readonly StoredShard[]): StoredShard[] {
  const allowed = shards.filter(({ state, jurisdiction }) => state === 'active' && jurisdiction === wanted.jurisdiction)
  const near = wanted.region === undefined ? [] : allowed.filter(({ region }) => region === wanted.region)
  return near.length > 0 ? near : allowed
}

/**
 * First placement of a tenant: weighted rendezvous hashing (Thaler & Ravishankar 1998; weights as in Schindelhauer &
 * Schomaker 2005). Adding a shard moves no tenant: its actor keeps the placement, this only decides for new ones. Undefined
 * when there is no shard.
 */
export function placeTenant(tenant: string, shards: readonly Shard[]): string | undefined {
  let best: { readonly name: string; readonly score: number } | undefined
  for (const { name, weight } of shards) {
    const score = weight / -Math.log((mixed32(hash32(`${tenant}@${name}`)) + 0.5) / 2 ** 32)
    if (best === undefined || score > best.score) best = { name, score }
  }
  return best?.name
}

/** Why a tenant cannot move to a shard, by the list of shards: a text for the operator. Undefined when it can. */
export function reasonNotToMove(
  { id, placement }: { readonly id: string; readonly placement: { readonly shard: string } },
  to: string,
  shards: readonly StoredShard[],
): string | undefined {
  const target = shards.find(({ name }) => name === to)
  const source = shards.find(({ name }) => name === placement.shard)
  const own = jurisdictionIn(id)
  if (to === placement.shard) return `to: the tenant is on "${to}" already`
  if (target === undefined) return `to: no shard "${to}" is registered`
  if (target.state !== 'active') return `to: the shard "${to}" is ${target.state}; it has to be active`
  if (source?.state === 'read-only')
    return `id: its shard "${placement.shard}" is read-only; make it draining, so that a move can note changes`
  if (target.jurisdiction !== own)
    return `to: the shard "${to}" has ${named(target.jurisdiction)}, the tenant ${named(own)}; a tenant stays in its jurisdiction`
  return undefined
}

const named = (jurisdiction: string | undefined): string =>
  jurisdiction === undefined ? 'no jurisdiction' : `the jurisdiction "${jurisdiction}"`
