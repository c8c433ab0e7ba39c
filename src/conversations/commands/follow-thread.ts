import { threadState } from '../../protocol/conversation-views.ts'
import { followPayload } from '../../protocol/payloads.ts'
import { defineCommand } from '../command.ts'
import { done } from '../state.ts'
import { refuseThread, threadStateOf } from '../threads.ts'

/** A member follows a thread, or does not: what they decide stands, whatever happens in the thread. */
export const followThread = defineCommand({
  name: 'thread.follow',
  summary: 'Follow a thread, or follow it no more',
  input: followPayload,
  output: threadState,
  limit: 'command',
  onBehalf: true,
  http: {
    id: 'followThread',
    method: 'post',
    path: '/v1/conversations/{id}/threads/{seq}/follow',
    tag: 'Messages',
    description:
      'The author of the first message, users that reply and members that a reply mentions by name follow a thread by themselves, unless they said that they do not. An API key names the member in user.',
    optionalBody: true,
    example: { body: { follows: true }, response: { follows: true, read: 0, unread: 2 } },
  },
  apply(state, actor, { seq, follows }) {
    const denied = refuseThread(state, actor, seq)
    if (denied !== undefined) return denied
    state.messages.threads.follow(seq, actor.user, follows)
    return done(threadStateOf(state, seq, actor.user))
  },
})
