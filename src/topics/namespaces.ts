import { defaultNamespace, parseChannel } from '../protocol/channels.ts'
import { newNamespace, type Namespace } from '../protocol/namespaces-api.ts'
import type { TopicRules } from '../protocol/stream.ts'

/** A tenant's namespaces, from the record with this version. */
export interface Namespaces {
  readonly version: number
  readonly namespaces: Readonly<Record<string, Namespace>>
}

/** The rules of `default` until the tenant sets others: nothing is kept, and a capability grants access. */
const unconfigured = newNamespace.parse({})

const anyone = { subscribe: 'anyone', publish: 'anyone', history: 'anyone', presence: 'anyone' } as const

/** Everything for every client, for development: the open profile's `default` and `recovery`. */
const open: Namespace = {
  historySize: 100,
  historyTtlSeconds: 300,
  recovery: true,
  presence: true,
  joinLeave: true,
  forcePushJoinLeave: true,
  allow: anyone,
}

/** The namespaces of the open profile before the tenant configures any. */
const openNamespaces: Namespaces['namespaces'] = {
  [defaultNamespace]: open,
  recovery: open,
  smallhistory: { ...open, historySize: 2 },
}

/** A tenant's namespace by its name; undefined when it has none of that name. */
export function findNamespace({ namespaces }: Namespaces, name: string, isOpen: boolean): Namespace | undefined {
  if (Object.hasOwn(namespaces, name)) return namespaces[name]
  if (isOpen && Object.hasOwn(openNamespaces, name)) return openNamespaces[name]
  return name === defaultNamespace ? unconfigured : undefined
}

/** How the topic behind a channel is kept; undefined when the channel is no topic. */
export function topicRules(tenant: Namespaces, channel: string, isOpen: boolean): TopicRules | undefined {
  const name = parseChannel(channel)
  const namespace = name?.kind === 'topic' ? findNamespace(tenant, name.namespace, isOpen) : undefined
  if (namespace === undefined) return undefined
  const { historySize, historyTtlSeconds, joinLeave } = namespace
  return { version: tenant.version, historySize, historyTtlSeconds, joinLeave }
}
