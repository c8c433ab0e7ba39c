import type { Entry, MessageSent } from '../events/entry.ts'
import { refuse, type Refusal } from '../protocol/errors.ts'
import { encodeWith } from '../kernel/json.ts'
import type { MessageContent } from '../protocol/payloads.ts'
import { mayWrite } from './access.ts'
import type { Log, Members } from './ports.ts'
import type { Actor, Conversation, LogRow } from './types.ts'

/** What a send means. `accepted` must be appended before anyone is told; the log knows whether it is a repeat. */
export type SendDecision = { readonly kind: 'accepted'; readonly row: LogRow } | Refusal

/** Decides what a send means; writes nothing. */
export function decideSend(
  conversation: Conversation,
  members: Members,
  log: Log,
  actor: Actor,
  content: MessageContent,
  now: number,
): SendDecision {
  const denied = mayWrite(conversation, members, actor)
  if (denied !== undefined) return denied

  const seq = log.top() + 1
  const missing = unknownReference(content, seq)
  if (missing !== undefined) return missing

  const { dataText, ...said } = content
  const message: MessageSent = {
    type: 'message',
    id: messageId(conversation.id, seq),
    user: actor.user,
    at: now,
    ...said,
  }
  return { kind: 'accepted', row: toRow(seq, actor, message, content.clientId, dataText) }
}

function unknownReference({ replyTo, thread }: MessageContent, seq: number): Refusal | undefined {
  const beyond = [replyTo, thread].find((ref) => ref !== undefined && ref >= seq)
  return beyond === undefined ? undefined : refuse('notFound', `message ${beyond} does not exist yet`)
}

/** A message's id: its conversation and its place there, so that it costs no row of its own. */
export const messageId = (conversation: string, seq: number): string => `${conversation}.${seq}`

/** The stored form of an entry at its place; `dataText` is the JSON text of a message's `data`, which stays as it was given. */
export function toRow(
  seq: number,
  { user, client }: Actor,
  entry: Entry,
  clientId: string | null = null,
  dataText?: string,
): LogRow {
  const data = dataText === undefined ? JSON.stringify(entry) : encodeWith(entry, { data: dataText })
  return { seq, at: entry.at, user, client, clientId, data }
}
