import { pinList } from '../../protocol/conversation-views.ts'
import { typingPayload } from '../../protocol/payloads.ts'
import { defineCommand } from '../command.ts'
import { done, mayRead } from '../state.ts'

/** Reads the pins that are not over, the newest first. */
export const listPins = defineCommand({
  name: 'conversation.pins',
  summary: 'List the pinned messages, the newest pin first',
  input: typingPayload,
  output: pinList,
  limit: 'command',
  http: {
    id: 'listPins',
    method: 'get',
    path: '/v1/conversations/{id}/pins',
    tag: 'Messages',
    description: 'Read the messages themselves by their seq. Pins of deleted messages are left out.',
    example: { response: { pins: [{ ref: 2, user: 'alice', seq: 4, at: 1764460800000, until: 1764547200000 }] } },
  },
  apply(state, actor) {
    const { messages, now } = state
    const denied = mayRead(state, actor)
    if (denied !== undefined) return denied
    const pins = messages.pins.live(now).map(({ until, ...pin }) => ({ ...pin, ...(until === null ? {} : { until }) }))
    return done({ pins })
  },
})
