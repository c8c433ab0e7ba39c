import type { Env } from '../src/env.ts'
import { jurisdictionOf } from '../src/protocol/places.ts'
import { hintsOfTenants, locationHints } from '../src/tenants/regions.ts'

/**
 * How actors are named, beside address.ts, through which all others reach them. A tenant id holds no slash, so `tenant/name` is never ambiguous, and an actor can
 * tell from its own name which tenant it belongs to.
 */
export const named = (tenant: string, name: string) => `${tenant}/${name}`

type Actors<T extends Rpc.DurableObjectBranded> = DurableObjectNamespace<T>

/** An actor of a tenant, in the tenant's jurisdiction. The same name in another jurisdiction is another actor. */
export const ofTenant = <T extends Rpc.DurableObjectBranded>(actors: Actors<T>, tenant: string, name: string) =>
  actorsOf(actors, tenant).getByName(name, hintsOfTenants.get(tenant))

/** The actors of a tenant's jurisdiction, which is what follows the dot of its id. */
export const actorsOf = <T extends Rpc.DurableObjectBranded>(actors: Actors<T>, tenant: string): Actors<T> =>
  tenant.includes('.') ? actors.jurisdiction(jurisdictionOf(tenant)) : actors

/** The tenant and name in an actor's own name. */
export function ownName(name: string | undefined): { readonly tenant: string; readonly name: string } {
  const slash = name?.indexOf('/') ?? -1
  if (name === undefined || slash < 0) throw new Error('this actor was reached without a name: go through address.ts')
  return { tenant: name.slice(0, slash), name: name.slice(slash + 1) }
}

export const conversationOf = (env: Env, tenant: string, id: string) =>
  ofTenant(env.CONVERSATION, tenant, named(tenant, id))

/** A gateway, created in the region in its name whichever location calls it first. */
export const gatewayNamed = (env: Env, name: string) =>
  env.GATEWAY.getByName(name, locationHints.get(name.slice(0, name.indexOf('/'))))

export const jobQueueOf = (env: Env, tenant: string, queue: string) =>
  ofTenant(env.JOB_QUEUE, tenant, named(tenant, queue))
