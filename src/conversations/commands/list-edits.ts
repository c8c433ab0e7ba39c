import { editList } from '../../protocol/conversation-views.ts'
import { messagePayload } from '../../protocol/payloads.ts'
import { noMessage } from '../amendment.ts'
import { defineCommand } from '../command.ts'
import { done, mayRead } from '../state.ts'

/** How many edits of a message are read. */
const newestEdits = 100

/** Reads the later texts of a message; over HTTP `listMessageEdits` reads the first as well. */
export const listEdits = defineCommand({
  name: 'message.edits',
  summary: 'List the texts that a message was edited to, the newest 100; its first text is in its own entry',
  input: messagePayload,
  output: editList,
  limit: 'command',
  apply(state, actor, { seq }) {
    const { amendments, messages } = state
    const denied = mayRead(state, actor) ?? noMessage(amendments.target(seq))
    return denied ?? done({ edits: messages.edits(seq, newestEdits) })
  },
})
