import type { EntryOf } from '../../protocol/entry-kind.ts'
import { refuse } from '../../protocol/errors.ts'
import { deletePayload, deleteQuery } from '../../protocol/payloads.ts'
import { may } from '../permissions.ts'
import { mayWrite, placed, record, toRow } from '../state.ts'
import { amendmentBy, confirmed, noMessage } from '../amendment.ts'
import { contentOf } from '../restored-message.ts'
import { defineCommand } from '../command.ts'
import { messageDeleted } from '../message-entries.ts'
import { writtenEdit } from '../../protocol/conversation-views.ts'

/** Removes the text of a message. Its author deletes it, and so do members with the right `deleteAny`. */
export const deleteMessage = defineCommand({
  name: 'message.delete',
  summary: 'Delete your message (owners, admins and moderators: any)',
  input: deletePayload,
  output: writtenEdit,
  limit: 'message',
  entries: [messageDeleted],
  http: {
    id: 'deleteMessage',
    method: 'delete',
    path: '/v1/conversations/{id}/messages/{seq}',
    tag: 'Messages',
    description:
      'The same deletion again succeeds, too. With restorableFor, which needs the right deleteAny, the message can be restored for a time.',
    query: deleteQuery,
    responses: { 204: null },
  },
  apply(state, actor, { seq, restorableFor }, applied) {
    const { log, amendments, messages, now } = state
    const target = amendments.target(seq)
    const barred = mayWrite(state, actor)
    if (barred !== undefined) return barred
    const known = target?.deleted === true ? amendmentBy(actor, amendments, seq) : undefined
    if (known !== undefined) return confirmed(log, known)
    const isOwn = target?.user === actor.user
    const needsRight = !isOwn || restorableFor !== undefined
    const denied = noMessage(target) ?? (needsRight ? may(state, actor, 'deleteAny') : undefined)
    if (denied !== undefined) return denied
    const content = restorableFor === undefined ? undefined : contentOf(state, seq)
    if (content === undefined && restorableFor !== undefined)
      return refuse('notFound', 'restorableFor: the message is too old to be restored later; leave restorableFor out')

    const until = restorableFor === undefined ? undefined : now + restorableFor * 1000
    const entry: EntryOf<typeof messageDeleted> = {
      type: 'message.deleted',
      user: actor.user,
      at: now,
      ref: seq,
      ...(until === undefined ? {} : { restorableUntil: until }),
    }
    const row = toRow(log.top() + 1, actor, entry)
    record(state, row, applied)
    amendments.amend(seq, null, now)
    if (content !== undefined && until !== undefined) {
      messages.kept.put(seq, content, until)
      state.uploads.keepOf(seq, until)
    }
    return placed(row)
  },
})
