import { typingPayload } from '../../protocol/payloads.ts'
import { mayWrite, nothing } from '../state.ts'
import { defineCommand } from '../command.ts'
import { emptyView } from '../view.ts'

/** Tells the other connections that the user is typing. Limited by connection, so that HTTP has no counterpart. */
export const reportTyping = defineCommand({
  name: 'conversation.typing',
  summary: 'Tell the subscribers that you are typing',
  input: typingPayload,
  output: emptyView,
  limit: 'typing',
  apply(state, actor, _, applied) {
    const denied = mayWrite(state, actor)
    if (denied !== undefined) return denied
    applied.events.push({ kind: 'pub', data: typingData(actor.user), except: actor.client })
    return nothing
  },
})

export const typingData = (user: string): string => JSON.stringify({ type: 'typing', user })
