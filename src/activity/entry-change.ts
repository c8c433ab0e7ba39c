/** What an entry of a log means for counts. */
export type EntryChange =
  /** Its author has read what came before it; `isSent` when it is a message, not an edit. */
  | { readonly kind: 'written'; readonly isSent: boolean }
  /** The same, and message `ref` no longer counts. */
  | { readonly kind: 'deleted'; readonly ref: number }
  | { readonly kind: 'joined' | 'left'; readonly member: string }
  | { readonly kind: 'other' }

const sent: EntryChange = { kind: 'written', isSent: true }
const edited: EntryChange = { kind: 'written', isSent: false }
const other: EntryChange = { kind: 'other' }

/** How a reply begins that only its thread shows: its author need not have seen the conversation. */
export const replyEntry = '{"type":"message","thread":'

/** What an entry, as JSON text, means for counts. Messages, which are nearly all, are not parsed. */
export function changeOf(data: string): EntryChange {
  if (data.startsWith(replyEntry)) return other
  if (data.startsWith('{"type":"message"')) return sent
  if (data.startsWith('{"type":"message.deleted"')) {
    const { ref }: { ref: number } = JSON.parse(data)
    return { kind: 'deleted', ref }
  }
  if (data.startsWith('{"type":"message.')) return edited
  const isJoin = data.startsWith('{"type":"member.joined"')
  if (!isJoin && !data.startsWith('{"type":"member.left"')) return other
  const { member }: { member: string } = JSON.parse(data)
  return { kind: isJoin ? 'joined' : 'left', member }
}
