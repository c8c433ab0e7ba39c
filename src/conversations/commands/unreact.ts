import { z } from 'zod'
import { defineEntry, type EntryOf, messageRef } from '../../protocol/entry-kind.ts'
import { refuse } from '../../protocol/errors.ts'
import { unreactPayload } from '../../protocol/payloads.ts'
import { noMessage } from '../amendment.ts'
import { defineCommand } from '../command.ts'
import { may } from '../permissions.ts'
import { mayWrite, nothing, record, toRow } from '../state.ts'
import { emptyView } from '../view.ts'

/** A reaction to message `ref` was taken back. */
export const reactionRemoved = defineEntry('reaction.removed', {
  ref: messageRef,
  reaction: z.string().describe('The reaction'),
  member: z.string().describe('Whose reaction it was'),
})

/** Takes back a reaction. Owners and admins take back those of others. */
export const unreact = defineCommand({
  name: 'message.unreact',
  summary: 'Take back your reaction to a message (owners and admins: any)',
  input: unreactPayload,
  output: emptyView,
  limit: 'message',
  entries: [reactionRemoved],
  http: {
    id: 'removeReaction',
    method: 'delete',
    path: '/v1/conversations/{id}/messages/{seq}/reactions/{reaction}/{user}',
    tag: 'Messages',
    description: 'A reaction that is not there changes nothing, so that a repeat succeeds, too.',
    responses: { 204: null },
  },
  apply(state, actor, { seq, reaction, user }, applied) {
    const { log, amendments, messages, now } = state
    const whose = user ?? actor.user
    const denied =
      mayWrite(state, actor, 'react') ??
      (whose === '' ? refuse('badRequest', 'user: an API key must name the member that reacted') : undefined) ??
      noMessage(amendments.target(seq)) ??
      (whose === actor.user ? undefined : may(state, actor, 'deleteAny'))
    if (denied !== undefined) return denied
    const isThere = messages.reactions.of(seq, whose).some((each) => each.reaction === reaction)
    if (!isThere) {
      log.confirm()
      return nothing
    }
    const entry: EntryOf<typeof reactionRemoved> = {
      type: 'reaction.removed',
      user: actor.user,
      at: now,
      ref: seq,
      reaction,
      member: whose,
    }
    record(state, toRow(log.top() + 1, actor, entry), applied)
    messages.reactions.remove(seq, whose, reaction)
    return nothing
  },
})
