import type { EntryOf } from '../../protocol/entry-kind.ts'
import { refuse } from '../../protocol/errors.ts'
import { editPayload } from '../../protocol/payloads.ts'
import { mayWrite, placed, record, toRow } from '../state.ts'
import { amendmentBy, confirmed, noMessage } from '../amendment.ts'
import { defineCommand } from '../command.ts'
import { messageEdited } from '../message-entries.ts'
import { writtenEdit } from '../../protocol/conversation-views.ts'

/**
 * Replaces the text of a message. Only its author edits it, as long as they may write. An edit is an entry of its own, so
 * that subscribers that come back receive it too.
 */
export const editMessage = defineCommand({
  name: 'message.edit',
  summary: 'Edit your message',
  input: editPayload,
  output: writtenEdit,
  limit: 'message',
  entries: [messageEdited],
  http: {
    id: 'editMessage',
    method: 'patch',
    path: '/v1/conversations/{id}/messages/{seq}',
    tag: 'Messages',
    errors: ['content-refused', 'flood'],
    description: 'Answers with the place of the edit in the log. The same edit again is the same one.',
    example: { body: { text: 'Lunch at one?' }, response: { seq: 2, at: 1764460800000 } },
  },
  apply(state, actor, { seq, text }, applied) {
    const { log, amendments, messages, now } = state
    const target = amendments.target(seq)
    const denied = mayWrite(state, actor) ?? noMessage(target)
    if (denied !== undefined) return denied
    if (!actor.server && target?.user !== actor.user) return refuse('notAllowed', 'only its author may edit a message')
    const known = target?.text === text ? amendmentBy(actor, amendments, seq) : undefined
    if (known !== undefined) return confirmed(log, known)

    const entry: EntryOf<typeof messageEdited> = { type: 'message.edited', user: actor.user, at: now, ref: seq, text }
    const row = toRow(log.top() + 1, actor, entry)
    record(state, row, applied)
    amendments.amend(seq, text, now)
    messages.addEdit(seq, { seq: row.seq, user: actor.user, at: now, text })
    return placed(row)
  },
})
