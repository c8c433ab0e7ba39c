import { writtenEdit } from '../../protocol/conversation-views.ts'
import type { EntryOf } from '../../protocol/entry-kind.ts'
import { refuse } from '../../protocol/errors.ts'
import { messagePayload } from '../../protocol/payloads.ts'
import { amendmentBy, confirmed } from '../amendment.ts'
import { defineCommand } from '../command.ts'
import { messageEdited } from '../message-entries.ts'
import { may } from '../permissions.ts'
import { textOf } from '../restored-message.ts'
import { placed, record, toRow } from '../state.ts'

/**
 * Brings back a message that was deleted with `restorableFor`. The entry is an edit that carries the whole message, so that what was
 * removed from the log and from Postgres stays removed, and a late removal of before takes nothing from it.
 */
export const restoreMessage = defineCommand({
  name: 'message.restore',
  summary: 'Restore a message that was deleted for a time (owners, admins and moderators)',
  input: messagePayload,
  output: writtenEdit,
  limit: 'message',
  entries: [messageEdited],
  http: {
    id: 'restoreMessage',
    method: 'post',
    path: '/v1/conversations/{id}/messages/{seq}/restore',
    tag: 'Messages',
    description:
      'Needs the right deleteAny. Reactions, pins and the place in a thread are as they were; the texts of before are not listed any more.',
    example: { response: { seq: 5, at: 1764460800000 } },
  },
  apply(state, actor, { seq }, applied) {
    const { log, amendments, messages, readStates, now } = state
    const denied = may(state, actor, 'deleteAny')
    if (denied !== undefined) return denied
    const kept = messages.kept.of(seq)
    const known = kept?.until === null ? amendmentBy(actor, amendments, seq) : undefined
    if (known !== undefined) return confirmed(log, known)
    if (kept === undefined || kept.until === null || kept.until <= now)
      return refuse('notFound', `seq: message ${seq} cannot be restored: it is not deleted, or its time is over`)
    const text = textOf(kept.data)
    const entry: EntryOf<typeof messageEdited> = { type: 'message.edited', user: actor.user, at: now, ref: seq, text }
    const { data, ...row } = toRow(log.top() + 1, actor, entry)
    record(state, { ...row, data: `${data.slice(0, -1)},"content":${kept.data}}` }, applied)
    amendments.amend(seq, text, now)
    messages.kept.put(seq, kept.data, null)
    state.uploads.keepOf(seq, null)
    readStates.noteAll()
    return placed(row)
  },
})
