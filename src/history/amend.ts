import { encodeWith } from '../kernel/json.ts'
import { textAt } from '../protocol/protobuf/json-text.ts'
import { tombstone } from '../events/tombstone.ts'
import type { Amendment, MessageState } from '../protocol/stream.ts'
import type { Publication } from '../protocol/replies.ts'

/** Removes the content of deleted messages, wherever the page came from: a cache may still have it. */
export function withoutDeleted(page: readonly Publication[], amendments: readonly Amendment[]): Publication[] {
  const gone = new Set(amendments.filter(({ text }) => text === null).map(({ ref }) => ref))
  return page.map((publication) =>
    gone.has(publication.offset) ? { ...publication, data: tombstone(publication.data) } : publication,
  )
}

/** Entries as HTTP returns them, as JSON text: edits applied, deleted ones without content, each with its seq and state. */
export function encodeViews(
  page: readonly Publication[],
  amendments: readonly Amendment[],
  states: readonly MessageState[] = [],
): string {
  const amended = new Map(amendments.map((amendment) => [amendment.ref, amendment]))
  const known = new Map(states.map((state) => [state.ref, state]))
  const views = page.map((publication) => {
    const { offset } = publication
    return encodeView(publication, amended.get(offset), known.get(offset))
  })
  return `[${views.join(',')}]`
}

/**
 * A message that was never amended is returned as it was stored: a page of fifty need not be parsed to be passed on.
 */
function encodeView(
  { offset, data: stored, info }: Publication,
  amendment: Amendment | undefined,
  state: MessageState | undefined,
): string {
  const data = amendment?.entry ?? stored
  if (amendment === undefined && data.startsWith(untouched))
    return withState(`{"seq":${offset},${data.slice(1)}`, state)
  const entry: ViewedEntry = JSON.parse(data)
  const view = { seq: offset, ...entry, user: entry.user ?? info?.user ?? '' }
  if (amendment === undefined) return JSON.stringify(view)
  if (typeof amendment.entry === 'string' && amendment.text === entry.text)
    return withState(`{"seq":${offset},${data.slice(1)}`, state)
  if (amendment.text !== null) {
    const edited = { ...view, data: undefined, text: amendment.text, editedAt: amendment.at }
    return withState(encodeWith(edited, { data: textAt(data, ['data']) }), state)
  }
  const { type, alsoInConversation, thread, at } = entry
  const deleted = JSON.stringify({ seq: offset, type, alsoInConversation, thread, user: view.user, at, deleted: true })
  return withState(deleted, state?.replies === undefined ? undefined : { ref: offset, replies: state.replies })
}

interface ViewedEntry {
  readonly type: string
  readonly alsoInConversation?: true
  readonly thread?: number
  readonly user?: string
  readonly at: number
  readonly text?: string
  readonly deleted?: true
}

/** The JSON text of a view with what its message has beside its text. */
function withState(view: string, state: MessageState | undefined): string {
  if (state === undefined) return view
  const { ref: _, ...parts } = state
  return `${view.slice(0, -1)},${JSON.stringify(parts).slice(1)}`
}

/** How a stored message begins that names its author, as `decideSend` writes it. */
const untouched = '{"type":"message","id":'
