import { refuse, type Refusal } from '../protocol/errors.ts'
import type { Right } from '../protocol/rights.ts'
import { bitsOfRole, hasRight, lacks } from './rights.ts'
import { type ConversationState, mayRead } from './state.ts'
import type { Actor } from './types.ts'

/** Whether `actor` has the right, or is the tenant's server. */
export function may(state: ConversationState, actor: Actor, right: Right): Refusal | undefined {
  const { conversation, members } = state
  const denied = mayRead(state, actor)
  if (denied !== undefined || actor.server || hasRight(conversation, members, actor.user, right)) return denied
  const role = members.get(actor.user)?.role
  return role === undefined
    ? refuse('notAllowed', `needs the right ${right}, which only members have`)
    : lacks(conversation, role, right, actor.user)
}

/**
 * Whether `actor` may do something to a member, or give a role: each right of the role must be one of the actor's own, so that
 * rights are never gained by giving them. Asked after `may`.
 */
export function mayRule({ conversation, members }: ConversationState, actor: Actor, role: string): Refusal | undefined {
  if (actor.server) return undefined
  const own = bitsOfRole(conversation, members.get(actor.user)?.role ?? '')
  return (bitsOfRole(conversation, role) & ~own) === 0
    ? undefined
    : refuse('notAllowed', `the role ${role} has rights that you do not have; ask a member that has them`)
}
