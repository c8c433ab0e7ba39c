import type { EntryOf } from '../../protocol/entry-kind.ts'
import { deletePayload } from '../../protocol/payloads.ts'
import { may } from '../permissions.ts'
import { mayWrite, placed, record, toRow } from '../state.ts'
import { amendmentBy, confirmed, noMessage } from '../amendment.ts'
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
    description: 'The same deletion again succeeds, too.',
    responses: { 204: null },
  },
  apply(state, actor, { seq }, applied) {
    const { log, amendments, now } = state
    const target = amendments.target(seq)
    const barred = mayWrite(state, actor)
    if (barred !== undefined) return barred
    const known = target?.deleted === true ? amendmentBy(actor, amendments, seq) : undefined
    if (known !== undefined) return confirmed(log, known)
    const isOwn = target?.user === actor.user
    const denied = noMessage(target) ?? (isOwn ? undefined : may(state, actor, 'deleteAny'))
    if (denied !== undefined) return denied

    const entry: EntryOf<typeof messageDeleted> = { type: 'message.deleted', user: actor.user, at: now, ref: seq }
    const row = toRow(log.top() + 1, actor, entry)
    record(state, row, applied)
    amendments.amend(seq, null, now)
    return placed(row)
  },
})
