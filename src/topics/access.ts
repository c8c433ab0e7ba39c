import type { Capability, CapabilityAction } from '../protocol/capabilities.ts'
import type { TopicName } from '../protocol/channels.ts'
import { refuse, type Refusal } from '../protocol/errors.ts'
import type { Allowed, Namespace } from '../protocol/namespaces-api.ts'

/** A client that asks for something of a topic. `user` is "" for an anonymous one. */
export interface TopicCaller {
  readonly user: string
  readonly capabilities: readonly Capability[]
  /** Whether this connection is subscribed to the topic now. */
  readonly isSubscribed: boolean
}

/** Whether a client without a subscription token may subscribe. */
export function maySubscribe(
  namespace: Namespace,
  channel: string,
  name: TopicName,
  visitor: TopicCaller,
): Refusal | undefined {
  if (name.isPrivate) return refuse('permissionDenied', 'a channel that begins with $ needs a subscription token')
  if (name.users !== undefined) return isNamed(name.users, visitor.user) ? undefined : refuse('permissionDenied')
  return isAllowed(namespace.allow.subscribe, 'sub', channel, visitor) ? undefined : refuse('permissionDenied')
}

/** Whether a client may publish. */
export const mayPublish = (namespace: Namespace, channel: string, visitor: TopicCaller): Refusal | undefined =>
  isAllowed(namespace.allow.publish, 'pub', channel, visitor) ? undefined : refuse('permissionDenied')

/** Whether a client may read the history; not available where none is kept. */
export function mayReadHistory(
  namespace: Namespace,
  channel: string,
  name: TopicName,
  visitor: TopicCaller,
): Refusal | undefined {
  if (namespace.historySize === 0) return refuse('notAvailable', 'this namespace keeps no history')
  return mayLook(namespace.allow.history, 'hst', channel, name, visitor) ? undefined : refuse('permissionDenied')
}

/** Whether a client may read presence; not available where it is switched off. */
export function maySeePresence(
  namespace: Namespace,
  channel: string,
  name: TopicName,
  visitor: TopicCaller,
): Refusal | undefined {
  if (!namespace.presence) return refuse('notAvailable', 'this namespace has no presence')
  return mayLook(namespace.allow.presence, 'prs', channel, name, visitor) ? undefined : refuse('permissionDenied')
}

/**
 * In a channel whose name lists its users, `users` and `anyone` mean only those: other users neither read it nor see
 * its subscribers. A capability is granted by the tenant itself and suffices.
 */
function mayLook(
  allowed: Allowed,
  action: CapabilityAction,
  channel: string,
  name: TopicName,
  visitor: TopicCaller,
): boolean {
  const isMeant = name.users === undefined || isNamed(name.users, visitor.user)
  const isListener = visitor.isSubscribed || (isMeant && !name.isPrivate)
  const may = isAllowed(allowed, action, channel, visitor)
  return may && (isListener || isAllowed('capability', action, channel, visitor))
}

function isAllowed(allowed: Allowed, action: CapabilityAction, channel: string, visitor: TopicCaller): boolean {
  if (allowed === 'nobody') return false
  if (allowed === 'anyone' || (allowed === 'users' && visitor.user !== '')) return true
  if (allowed === 'subscribers' && visitor.isSubscribed) return true
  return hasCapability(visitor.capabilities, action, channel)
}

/** Whether one of the capabilities allows this under this name. */
export const hasCapability = (capabilities: readonly Capability[], action: CapabilityAction, name: string): boolean =>
  capabilities.some(
    ({ allow, channels }) => allow.includes(action) && channels.some((pattern) => matches(pattern, name)),
  )

const isNamed = (users: readonly string[], user: string) => user !== '' && users.includes(user)

/**
 * Whether the pattern matches the name; `*` stands for any run of characters. Linear: the pieces are searched one after
 * another.
 */
export function matches(pattern: string, channel: string): boolean {
  const [head = '', ...pieces] = pattern.split('*')
  const tail = pieces.pop()
  if (tail === undefined) return pattern === channel
  if (!channel.startsWith(head)) return false
  let at = head.length
  for (const piece of pieces) {
    const found = channel.indexOf(piece, at)
    if (found < 0) return false
    at = found + piece.length
  }
  return channel.length - tail.length >= at && channel.endsWith(tail)
}
