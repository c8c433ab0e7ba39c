import { z } from 'zod'
import { writtenEdit } from '../../protocol/conversation-views.ts'
import { defineEntry, type EntryOf, messageRef } from '../../protocol/entry-kind.ts'
import { refuse } from '../../protocol/errors.ts'
import { sizes } from '../../protocol/limits.ts'
import { pinPayload } from '../../protocol/payloads.ts'
import { noMessage } from '../amendment.ts'
import { defineCommand } from '../command.ts'
import { mayPin } from '../pinning.ts'
import { placed, record, toRow } from '../state.ts'

/** Message `ref` is pinned. */
export const pinAdded = defineEntry('pin.added', {
  ref: messageRef,
  until: z.int().optional().describe('When the pin ends, in milliseconds since the epoch'),
})

/** Pins a message, until a time or for good. A message that is pinned already gets the new time. */
export const pinMessage = defineCommand({
  name: 'message.pin',
  summary: 'Pin a message (owner, admin or moderator; both members of a direct conversation)',
  input: pinPayload,
  output: writtenEdit,
  limit: 'message',
  entries: [pinAdded],
  http: {
    id: 'pinMessage',
    method: 'post',
    path: '/v1/conversations/{id}/messages/{seq}/pin',
    tag: 'Messages',
    description:
      'Answers with the place of the pin in the log; the same pin again is the same one. Another until replaces the one before.',
    errors: ['too-many-pins'],
    optionalBody: true,
    example: { body: { until: 1764547200000 }, response: { seq: 4, at: 1764460800000 } },
  },
  apply(state, actor, { seq, until }, applied) {
    const { log, amendments, messages, now } = state
    const denied = mayPin(state, actor) ?? noMessage(amendments.target(seq))
    if (denied !== undefined) return denied
    if (until !== undefined && until <= now)
      return refuse('badRequest', 'until: must be in the future; leave it out for a pin without an end')
    const known = messages.pins.of(seq)
    if (known !== undefined && known.user === actor.user && known.until === (until ?? null)) {
      log.confirm()
      return placed(known)
    }
    const others = messages.pins.live(now).filter(({ ref }) => ref !== seq)
    if (others.length >= sizes.pins)
      return refuse('tooManyPins', `a conversation has at most ${sizes.pins} pins; unpin a message first`)

    const entry: EntryOf<typeof pinAdded> = {
      type: 'pin.added',
      user: actor.user,
      at: now,
      ref: seq,
      ...(until === undefined ? {} : { until }),
    }
    const row = toRow(log.top() + 1, actor, entry)
    record(state, row, applied)
    messages.pins.put({ ref: seq, user: actor.user, seq: row.seq, at: now, until: until ?? null })
    return placed(row)
  },
})
