import type { Operation } from '../../http/operations.ts'
import { commandOperations } from './command-operations.ts'
import { createConversation } from './create-conversation.ts'
import { getPresence } from './get-presence.ts'
import { listConversations } from './list-conversations.ts'
import { listReplies } from './list-replies.ts'
import { getMessage, listMessageEdits, listMessages } from './read-messages.ts'

/** Every operation about conversations, their members and messages. */
export const conversations: readonly Operation[] = [
  createConversation,
  listConversations,
  ...commandOperations,
  listMessages,
  getMessage,
  listMessageEdits,
  listReplies,
  getPresence,
]
