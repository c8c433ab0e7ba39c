import { mayRead } from '../../src/conversations/state.ts'
import type { Actor, Conversation } from '../../src/conversations/types.ts'
import type { AmendmentTable } from './amendment-table.ts'
import type { MemberTable } from './member-table.ts'
import type { FoundNow } from '../contracts.ts'

/** What a conversation has for this. */
interface Searched {
  readonly conversation: Conversation | undefined
  readonly members: MemberTable
  readonly amendments: AmendmentTable
}

/**
 * Which of the messages that a search found the actor may see at this moment, and the texts of those that were edited. A search finds
 * what Postgres has, which is some seconds old; who may read what is decided here alone.
 */
export function foundMessages(
  { conversation, members, amendments }: Searched,
  actor: Actor,
  seqs: readonly number[],
  now: number,
): FoundNow[] {
  if (conversation === undefined || mayRead({ conversation, members, now }, actor) !== undefined) return []
  return seqs.flatMap((seq) => {
    const target = amendments.target(seq)
    if (target === undefined || target.kind !== 'message' || target.deleted) return []
    return [{ seq, ...(target.text === undefined ? {} : { text: target.text }) }]
  })
}
