import { threadState } from '../../protocol/conversation-views.ts'
import { threadReadPayload } from '../../protocol/payloads.ts'
import { defineCommand } from '../command.ts'
import { done, isSmall } from '../state.ts'
import { refuseThread, threadStateOf } from '../threads.ts'

/** Moves a member's cursor in a thread: forward only, and never past the newest reply. */
export const readThread = defineCommand({
  name: 'thread.read',
  summary: 'Mark the replies in a thread as read up to one of them',
  input: threadReadPayload,
  output: threadState,
  limit: 'command',
  onBehalf: true,
  http: {
    id: 'markThreadRead',
    method: 'post',
    path: '/v1/conversations/{id}/threads/{seq}/read',
    tag: 'Messages',
    description:
      'A reply of one’s own moves the cursor there, too. An API key moves that of the member in user. The cursor never moves back.',
    example: { body: { upTo: 9 }, response: { follows: true, read: 9, unread: 0 } },
  },
  apply(state, actor, { seq, upTo }, applied) {
    const denied = refuseThread(state, actor, seq)
    if (denied !== undefined) return denied
    const { threads } = state.messages
    const { read, last } = threads.of(seq, actor.user)
    const moved = Math.min(upTo, last)
    if (moved > read) {
      threads.moveRead(seq, actor.user, moved)
      const data = JSON.stringify({ type: 'thread.read', user: actor.user, thread: seq, seq: moved })
      if (isSmall(state)) applied.events.push({ kind: 'pub', data })
    }
    return done(threadStateOf(state, seq, actor.user))
  },
})
