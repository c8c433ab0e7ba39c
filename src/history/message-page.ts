import { hash32 } from '../kernel/id.ts'
import type { HistoryAnswer, HistoryQuery } from '../protocol/stream.ts'
import type { Publication } from '../protocol/replies.ts'
import { encodeViews } from './amend.ts'

export type MessagePage = Extract<HistoryAnswer, { kind: 'page' }>

/**
 * The ETag of a page of messages, by its address: every change of a conversation is an entry of its log, so that `top`
 * tells states apart, but for pins that end and for which reactions are the reader's own: the states are hashed. The number of entries tells pages apart that were cut at different places for their size. The form's
 * version grows whenever the text of the same page changes.
 */
export function pageEtag({ epoch, top, publications, states = [] }: Omit<MessagePage, 'kind' | 'amendments'>): string {
  const seen = states.length === 0 ? '' : `.${hash32(JSON.stringify(states)).toString(36)}`
  return `"m2.${epoch}.${top}.${publications.length}${seen}"`
}

/** A page of messages as HTTP answers it, as JSON text: the newest first, with the seqs that lead to older and newer ones. */
export function encodeMessagePage(
  { publications, amendments, states, epoch, top }: MessagePage,
  { reverse }: HistoryQuery,
): string {
  const newestFirst = reverse ? publications : publications.toReversed()
  const rest = JSON.stringify({ epoch, last: top, ...cursors(newestFirst, top) })
  return `{"messages":${encodeViews(newestFirst, amendments, states)},${rest.slice(1)}`
}

/** `before` leads to older, `after` to newer messages; null when there are none. */
function cursors(newestFirst: readonly Publication[], top: number) {
  const newest = newestFirst[0]?.offset ?? 0
  const oldest = newestFirst.at(-1)?.offset ?? 0
  return { before: oldest > 1 ? oldest : null, after: newest > 0 && newest < top ? newest : null }
}
