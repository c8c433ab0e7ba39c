import { mayRead } from '../../src/conversations/state.ts'
import type { Actor } from '../../src/conversations/types.ts'
import { coldPageSize } from '../../src/history/page.ts'
import { refuse } from '../../src/protocol/errors.ts'
import { toPublication } from '../../src/conversations/state.ts'
import type { RepliesAnswer, RepliesQuery } from '../contracts.ts'
import type { ConversationStore } from './conversation-store.ts'

/** Pages of old history that one page of replies is read from; a page of replies that needs more ends before. */
const maxColdPages = 10

/** A page of the replies in a thread: what is held here, and the seqs whose content only Postgres or the archive has. */
export function replyPage(
  { conversation, members, log, amendments, messages, coldRanges }: ConversationStore,
  actor: Actor,
  { root, before, after, limit }: RepliesQuery,
  now: number,
): RepliesAnswer {
  const denied = conversation === undefined ? refuse('notFound') : mayRead({ conversation, members, now }, actor)
  if (conversation === undefined || denied !== undefined) return refuse('notFound')
  if (amendments.target(root)?.kind !== 'message') return refuse('notFound', `seq: there is no message ${root}`)
  const { threads } = messages
  const bounds = after === undefined ? { before: before ?? Number.MAX_SAFE_INTEGER } : { after }
  const found = threads.replies(root, bounds, limit + 1)
  const floor = log.floor()
  const pages = new Set<number>()
  const seqs = found.slice(0, limit).filter((seq) => {
    if (seq < floor) pages.add(Math.floor((seq - 1) / coldPageSize))
    return pages.size <= maxColdPages
  })
  const cold = seqs.filter((seq) => seq < floor)
  const own = members.get(actor.user) === undefined ? undefined : threads.of(root, actor.user)
  return {
    kind: 'replies',
    epoch: conversation.epoch,
    seqs,
    hasMore: seqs.length < found.length,
    publications: seqs.flatMap((seq) => (seq < floor ? [] : log.range(seq - 1, seq, 1))).map(toPublication),
    amendments: seqs.flatMap((seq) => amendments.between(seq, seq)),
    states: seqs.flatMap((seq) => messages.between(seq, seq, actor.user, now)),
    ...(cold.length === 0 ? {} : { missing: coldRanges.of({ first: Math.min(...cold), last: Math.max(...cold) }) }),
    ...(own === undefined ? {} : { own: { follows: own.follows, read: own.read, unread: own.unread } }),
  }
}
