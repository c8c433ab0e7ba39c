import { z } from 'zod'
import type { conversationView } from '../protocol/conversation-views.ts'
import type { ConversationState } from './state.ts'

/** The answer of commands that have nothing to say. */
export const emptyView = z.object({})

/** A conversation as `user` reads it. */
export function viewOf(
  { conversation, log, members }: ConversationState,
  user: string,
): z.input<typeof conversationView> {
  const { id, type, name, epoch, createdBy, createdAt } = conversation
  return {
    id,
    type,
    name,
    epoch,
    createdBy,
    createdAt,
    last: log.top(),
    read: members.get(user)?.read ?? 0,
    members: members.some(100),
    memberCount: members.count(),
  }
}
