import type { SearchPorts } from '../src/adapters/message-search.ts'
import type { Env } from '../src/env.ts'
import { platformOf, tenantOf } from './address.ts'
import { callConversation } from './open-actors.ts'

/** The actors that a search of a tenant's messages needs. */
export const searchPorts = (env: Env, tenant: string): SearchPorts => ({
  registry: platformOf(env),
  placement: () => tenantOf(env, tenant).placement(),
  found: (conversation, actor, seqs) => callConversation(env, tenant, conversation, (stub) => stub.found(actor, seqs)),
})
