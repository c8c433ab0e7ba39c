import { defineEntry, type EntryOf, messageRef } from '../../protocol/entry-kind.ts'
import { messagePayload } from '../../protocol/payloads.ts'
import { noMessage } from '../amendment.ts'
import { defineCommand } from '../command.ts'
import { mayPin } from '../pinning.ts'
import { nothing, record, toRow } from '../state.ts'
import { emptyView } from '../view.ts'

/** Message `ref` is pinned no more. */
export const pinRemoved = defineEntry('pin.removed', { ref: messageRef })

/** Takes a pin away. */
export const unpinMessage = defineCommand({
  name: 'message.unpin',
  summary: 'Unpin a message (owner, admin or moderator; both members of a direct conversation)',
  input: messagePayload,
  output: emptyView,
  limit: 'message',
  entries: [pinRemoved],
  http: {
    id: 'unpinMessage',
    method: 'delete',
    path: '/v1/conversations/{id}/messages/{seq}/pin',
    tag: 'Messages',
    description: 'A message that is not pinned stays as it is, so that a repeat succeeds, too.',
    responses: { 204: null },
  },
  apply(state, actor, { seq }, applied) {
    const { log, amendments, messages, now } = state
    const denied = mayPin(state, actor) ?? noMessage(amendments.target(seq))
    if (denied !== undefined) return denied
    if (messages.pins.of(seq) === undefined) {
      log.confirm()
      return nothing
    }
    const entry: EntryOf<typeof pinRemoved> = { type: 'pin.removed', user: actor.user, at: now, ref: seq }
    record(state, toRow(log.top() + 1, actor, entry), applied)
    messages.pins.remove(seq)
    return nothing
  },
})
