import { z } from 'zod'
import { memberChange } from '../../protocol/api.ts'
import { refuse } from '../../protocol/errors.ts'
import { conversationId, userId } from '../../protocol/payloads.ts'
import { may, mayRule } from '../permissions.ts'
import { hasRole } from '../rights.ts'
import { done, mayRead, save } from '../state.ts'
import { defineCommand } from '../command.ts'
import { changeRole, isLastOwner, roleChanged } from '../membership.ts'

/** Gives a member another role, of those that every conversation has or of its grid. A role that the member has already changes nothing. */
export const setRole = defineCommand({
  name: 'member.role',
  summary: 'Change the role of a member (owner)',
  input: memberChange.extend({ conversation: conversationId, user: userId }),
  output: z.object({ user: userId, role: memberChange.shape.role }),
  limit: 'message',
  entries: [roleChanged],
  http: {
    id: 'changeMember',
    method: 'patch',
    path: '/v1/conversations/{id}/members/{user}',
    tag: 'Members',
    errors: ['conflict'],
    example: { body: { role: 'admin' }, response: { user: 'bob', role: 'admin' } },
  },
  apply(state, actor, { user, role }, applied) {
    const { conversation, members } = state
    const denied =
      mayRead(state, actor) ??
      (conversation.type === 'direct'
        ? refuse('notAllowed', 'the members of a direct conversation have no roles')
        : undefined) ??
      may(state, actor, 'setRoles')
    if (denied !== undefined) return denied
    const member = members.get(user)
    if (member === undefined) return refuse('notFound', `${user} is not a member`)
    if (!hasRole(conversation, role))
      return refuse('invalidPayload', `role: the conversation has no role ${role}; use a role of its rights`)
    const unruly = mayRule(state, actor, member.role) ?? mayRule(state, actor, role)
    if (unruly !== undefined) return unruly
    if (member.role === role) return done({ user, role })
    if (isLastOwner(state, user))
      return refuse('conflict', `role: ${user} is the last owner; make another member owner first`)
    save(state, {})
    changeRole(state, actor, member, role, applied)
    return done({ user, role })
  },
})
