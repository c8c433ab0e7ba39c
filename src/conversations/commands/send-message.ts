import type { z } from 'zod'
import { byteLength, isBlank, isPlainText } from '../../kernel/text.ts'
import { sizes } from '../../protocol/limits.ts'
import { conversationPattern, sendPayload, toContent, type MessageContent } from '../../protocol/payloads.ts'
import type { StreamResult } from '../../protocol/stream.ts'
import { type AppliedCommands, type ConversationState, mayWrite, toPublication, toRow } from '../state.ts'
import { unknownReference } from '../amendment.ts'
import { defineCommand } from '../command.ts'
import { messageSent, type MessageSent } from '../message-entries.ts'
import type { Place } from '../ports.ts'
import { refuseTooSoon } from '../slow-mode.ts'
import { isInThreadOnly, noteReply, threadFields } from '../threads.ts'
import { resolveAttachments } from '../uploads.ts'
import type { Actor } from '../types.ts'
import { exampleSentMessage, scheduledMessage, sentMessage } from '../../protocol/conversation-views.ts'
import { typingData } from './report-typing.ts'

/** Sends a message now, or as a job at `deliverAt`. */
export const sendMessage = defineCommand({
  name: 'message.send',
  summary: 'Send a message',
  input: sendPayload,
  output: sentMessage.or(scheduledMessage),
  limit: 'message',
  entries: [messageSent],
  onBehalf: true,
  http: {
    id: 'sendMessage',
    method: 'post',
    path: '/v1/conversations/{id}/messages',
    tag: 'Messages',
    description:
      'The same clientId again is the same message (200). With deliverAt it is sent then (202). An API key sends as the tenant itself, or as the member in user.',
    responses: { 201: sentMessage, 202: scheduledMessage, 200: sentMessage.or(scheduledMessage) },
    status: (output) => (isRepeat(output) ? 200 : output.startsWith('{"job"') ? 202 : 201),
    errors: ['conflict', 'slow-mode', 'content-refused', 'flood', 'unknown-upload', 'upload-not-ready'],
    example: { body: { clientId: 'c1', text: 'Lunch?' }, response: exampleSentMessage },
  },
  later: (input) =>
    input.deliverAt === undefined ? undefined : { content: contentOf(input), deliverAt: input.deliverAt },
  verb: (input) => ({ kind: 'send', content: contentOf(input) }),
  apply: (state, actor, input, applied) => send(state, actor, contentOf(input), applied),
})

type Input = Omit<z.output<typeof sendPayload>, 'conversation'> & { readonly conversation?: string }

function contentOf(input: Input): MessageContent {
  const { conversation: _, deliverAt: __, ...given } = input
  return toContent(given)
}

/**
 * Reads the payload of the most frequent command, `message.send` with text only, as `sendPayload` would: the schema,
 * which the runtime may not compile, costs more than storing the message. Undefined for everything else, valid or not:
 * then the schema decides, and explains.
 */
export function plainSend(data: unknown): Readonly<Record<'conversation' | 'clientId' | 'text', string>> | undefined {
  if (typeof data !== 'object' || data === null || Object.keys(data).length !== 3) return undefined
  if (!('conversation' in data && 'clientId' in data && 'text' in data)) return undefined
  const { conversation, clientId, text } = data
  if (typeof conversation !== 'string' || typeof clientId !== 'string' || typeof text !== 'string') return undefined
  const valid = conversationPattern.test(conversation) && isClientId(clientId) && isText(text)
  return valid ? { conversation, clientId, text } : undefined
}

const isClientId = (value: string): boolean =>
  value.length > 0 && value.length <= sizes.clientIdLength && isPlainText(value)

const isText = (value: string): boolean =>
  value.length <= sizes.textBytes && !isBlank(value) && isPlainText(value) && isShort(value)

/** A UTF-16 unit takes at most three bytes of UTF-8, so most texts need not be counted. */
const isShort = (value: string): boolean => value.length * 3 <= sizes.textBytes || byteLength(value) <= sizes.textBytes

/** A repeat makes nothing, so that its status is 200. */
const isRepeat = (output: string): boolean => output.endsWith('"duplicate":true}')

/** Appends and publishes a message; the log knows whether it is a repeat. */
export function send(
  state: ConversationState,
  actor: Actor,
  content: MessageContent,
  applied: AppliedCommands,
): StreamResult {
  const denied = mayWrite(state, actor)
  if (denied !== undefined) return denied
  const early = state.conversation.slowModeSeconds === undefined ? undefined : refuseTooSoon(state, actor)
  if (early !== undefined) return early
  const seq = state.log.top() + 1
  const isReply = content.replyTo !== undefined || content.thread !== undefined
  const missing = isReply ? unknownReference(state, content, seq) : undefined
  if (missing !== undefined) return missing
  const files = content.attachments === undefined ? undefined : resolveAttachments(state, actor, content)
  if (files?.kind === 'refused') return files

  const { dataText, thread, alsoInConversation, attachments: _, ...fields } = content
  const id = messageId(state.conversation.id, seq)
  const place = thread === undefined ? undefined : threadFields(thread, alsoInConversation)
  const shown = files === undefined ? fields : { ...fields, attachments: files.attachments }
  const message: MessageSent = { type: 'message', ...place, id, user: actor.user, at: state.now, ...shown }
  const row = toRow(seq, actor, message, content.clientId, dataText)
  const isQuiet = content.silent === true || (thread !== undefined && isInThreadOnly(content))
  const known = state.log.append(row, isQuiet, thread)
  if (known !== undefined) return sent(state, known, true)
  files?.note(seq)
  applied.publications.push(toPublication(row))
  if (content.mentions !== undefined && !isQuiet) state.readStates.noteMentions(seq, content.mentions)
  if (thread !== undefined) noteReply(state, row, thread, content.mentions)
  if (applied.events.length > 0) dropTyping(applied, actor.user)
  return sent(state, row, false)
}

/** Publications reach subscribers before events: a typing notice of the same call would seem to follow its message. */
function dropTyping({ events }: AppliedCommands, user: string): void {
  const data = typingData(user)
  events.splice(0, events.length, ...events.filter((event) => event.kind !== 'pub' || event.data !== data))
}

function sent({ conversation }: ConversationState, { seq, at }: Place, duplicate: boolean): StreamResult {
  const id = messageId(conversation.id, seq)
  return {
    kind: 'done',
    data: `{"id":"${id}","seq":${seq},"epoch":"${conversation.epoch}","at":${at},"duplicate":${duplicate}}`,
  }
}

/** A message's id: its conversation and its place there, so that it costs no row of its own. */
export const messageId = (conversation: string, seq: number): string => `${conversation}.${seq}`
