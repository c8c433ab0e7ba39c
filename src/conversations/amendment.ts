import { refuse, type Refusal } from '../protocol/errors.ts'
import type { StreamResult } from '../protocol/stream.ts'
import type { Amendments, Log } from './ports.ts'
import type { MessageContent } from '../protocol/payloads.ts'
import { type ConversationState, placed } from './state.ts'
import type { Actor, LogRow, Target } from './types.ts'

/** The newest edit or deletion of message `seq`, if it is the actor's. */
export function amendmentBy({ user }: Actor, amendments: Amendments, seq: number): LogRow | undefined {
  const newest = amendments.newestOf(seq)
  return newest?.user === user ? newest : undefined
}

/** Answers an amendment whose answer was lost and that comes again, with nothing in between. */
export function confirmed(log: Log, known: LogRow): StreamResult {
  log.confirm()
  return placed(known)
}

/** Refuses what cannot be amended. */
export const noMessage = (target: Target | undefined): Refusal | undefined =>
  target === undefined || target.kind !== 'message' || target.deleted
    ? refuse('notFound', 'no such message')
    : undefined

/** Refuses a message that refers to one that does not exist. */
export function unknownReference(
  { amendments, messages }: ConversationState,
  { replyTo, thread }: MessageContent,
  seq: number,
): Refusal | undefined {
  const beyond = [replyTo, thread].find((ref) => ref !== undefined && ref >= seq)
  if (beyond !== undefined) return refuse('notFound', `message ${beyond} does not exist yet`)
  // A message that was deleted may still be quoted and replied to, so that a repeat of the send has the answer of the first.
  for (const [field, ref] of Object.entries({ replyTo, thread }))
    if (ref !== undefined && amendments.target(ref)?.kind !== 'message')
      return refuse(
        'notFound',
        `${field}: entry ${ref} is no message; give the seq of a message, or leave ${field} out`,
      )
  const root = thread === undefined ? undefined : messages.threads.rootOf(thread)
  return root === undefined
    ? undefined
    : refuse('badRequest', `thread: message ${thread} is a reply itself; give ${root}, which begins its thread`)
}
