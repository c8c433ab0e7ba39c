import { hash32, mixed32 } from '../kernel/id.ts'

/** A Postgres shard and its share of new tenants. */
export interface Shard {
  readonly name: string
  readonly weight: number
}

/**
 * First placement of a tenant: weighted rendezvous hashing (Thaler & Ravishankar 1998; weights as in Schindelhauer &
 * Schomaker 2005). Adding a shard moves no tenant: its actor keeps the placement, this only decides for new ones.
 */
export function placeTenant(tenant: string, shards: readonly Shard[]): string {
  let best: { readonly name: string; readonly score: number } | undefined
  for (const { name, weight } of shards) {
    const score = weight / -Math.log((mixed32(hash32(`${tenant}@${name}`)) + 0.5) / 2 ** 32)
    if (best === undefined || score > best.score) best = { name, score }
  }
  if (best === undefined) throw new Error('no Postgres shard is configured: set SHARDS and DATABASE_URL_<SHARD>')
  return best.name
}
