import { refuse } from '../../protocol/errors.ts'
import { readPayload } from '../../protocol/payloads.ts'
import { done, isSmall, mayRead } from '../state.ts'
import { defineCommand } from '../command.ts'
import { readState } from '../../protocol/conversation-views.ts'

/** Moves the read cursor of a member: forward only, and never past the end. */
export const markRead = defineCommand({
  name: 'conversation.read',
  summary: 'Mark everything up to seq as read',
  input: readPayload,
  output: readState,
  limit: 'command',
  onBehalf: true,
  http: {
    id: 'markRead',
    method: 'post',
    path: '/v1/conversations/{id}/read',
    tag: 'Messages',
    description:
      'A user moves their own read cursor, an API key that of the member in user. The cursor never moves back.',
    example: { body: { seq: 12 }, response: { read: 12, unread: 0, mentions: 0 } },
  },
  apply(state, actor, { seq }, applied) {
    const { members, log, readStates } = state
    const denied = mayRead(state, actor)
    if (denied !== undefined) return denied
    if (actor.server && actor.user === '') return refuse('badRequest', 'user: an API key must name the reader')
    const member = members.get(actor.user)
    if (member === undefined) return refuse('notAllowed', 'only members of a channel have a read cursor in it')
    const read = Math.max(member.read, Math.min(seq, log.top()))
    if (read > member.read) {
      members.moveRead(actor.user, read)
      applied.movesCursor = true
      const data = JSON.stringify({ type: 'read', user: actor.user, seq: read })
      if (isSmall(state)) applied.events.push({ kind: 'pub', data })
    }
    const { unread = 0, mentions = 0 } = readStates.of(actor.user) ?? {}
    return done({ read, unread, mentions })
  },
})
