import { refuse, type Refusal } from '../protocol/errors.ts'
import type { Members } from './ports.ts'
import type { Actor, Conversation, Role } from './types.ts'

/**
 * Whether `actor` may read here. Strangers are told the same as for a conversation that does not exist, and so are the
 * anonymous: a channel is for the tenant's users, whom its server knows by name.
 */
export function mayRead(conversation: Conversation, members: Members, actor: Actor): Refusal | undefined {
  if (conversation.deletedAt !== undefined) return refuse('notFound')
  const isGuest = conversation.type === 'channel' && actor.user !== ''
  return actor.server || isGuest || members.get(actor.user) !== undefined ? undefined : refuse('notFound')
}

/**
 * Whether `actor` may write here: members, and the tenant's server as itself or as a member that it names. A server speaks
 * as no other user.
 */
export function mayWrite(conversation: Conversation, members: Members, actor: Actor): Refusal | undefined {
  const denied = mayRead(conversation, members, actor)
  if (denied !== undefined || (actor.server && actor.user === '')) return denied
  if (members.get(actor.user) !== undefined) return undefined
  return refuse(
    'notAllowed',
    actor.server
      ? `user: ${actor.user} is not a member; add them, or leave user out to speak as the tenant itself`
      : 'only members may write in a channel',
  )
}

/** Whether `actor` holds one of the `roles`, or is the tenant's server. */
export function mayManage(
  conversation: Conversation,
  members: Members,
  actor: Actor,
  roles: readonly Role[],
): Refusal | undefined {
  const denied = mayRead(conversation, members, actor)
  if (denied !== undefined || actor.server) return denied
  const role = members.get(actor.user)?.role
  return role !== undefined && roles.includes(role)
    ? undefined
    : refuse('notAllowed', `needs role ${roles.join(' or ')}`)
}
