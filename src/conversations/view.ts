import { z } from 'zod'
import { encodeWith } from '../kernel/json.ts'
import type { conversationView } from '../protocol/conversation-views.ts'
import type { StreamResult } from '../protocol/stream.ts'
import { shownOf } from './subscribe.ts'
import type { ConversationState } from './state.ts'
import type { Conversation } from './types.ts'

/** The answer of commands that have nothing to say. */
export const emptyView = z.object({})

/** The answer of commands that show a conversation. */
export const answerOf = (state: ConversationState, user: string): StreamResult => ({
  kind: 'done',
  data: encodeWith(viewOf(state, user), { properties: state.conversation.properties }),
})

/** The custom properties, which are JSON text, beside a view. */
export const propertiesOf = ({ properties }: Conversation) => (properties === undefined ? {} : { properties })

/** A conversation as `user` reads it, without its properties, which are JSON text. */
export function viewOf(
  { conversation, log, members }: Pick<ConversationState, 'conversation' | 'log' | 'members'>,
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
    ...shownOf(conversation),
  }
}
