import { encodeWith } from '../kernel/json.ts'
import { textAt } from '../protocol/protobuf/json-text.ts'
import { tombstone } from '../events/tombstone.ts'
import type { Amendment } from '../protocol/stream.ts'
import type { Publication } from '../protocol/replies.ts'

/** Removes the content of deleted messages, wherever the page came from: a cache may still have it. */
export function withoutDeleted(page: readonly Publication[], amendments: readonly Amendment[]): Publication[] {
  const gone = new Set(amendments.filter(({ text }) => text === null).map(({ ref }) => ref))
  return page.map((publication) =>
    gone.has(publication.offset) ? { ...publication, data: tombstone(publication.data) } : publication,
  )
}

/** Entries as HTTP returns them, as JSON text: edits applied, deleted ones without content, each with its seq. */
export function encodeViews(page: readonly Publication[], amendments: readonly Amendment[]): string {
  const amended = new Map(amendments.map((amendment) => [amendment.ref, amendment]))
  return `[${page.map((publication) => encodeView(publication, amended.get(publication.offset))).join(',')}]`
}

/**
 * A message that was never amended is returned as it was stored: a page of fifty need not be parsed to be passed on.
 */
function encodeView({ offset, data, info }: Publication, amendment: Amendment | undefined): string {
  if (amendment === undefined && data.startsWith(untouched)) return `{"seq":${offset},${data.slice(1)}`
  const entry: { type: string; user?: string; at: number; text?: string; deleted?: true } = JSON.parse(data)
  const view = { seq: offset, ...entry, user: entry.user ?? info?.user ?? '' }
  if (amendment === undefined) return JSON.stringify(view)
  if (amendment.text !== null) {
    const edited = { ...view, data: undefined, text: amendment.text, editedAt: amendment.at }
    return encodeWith(edited, { data: textAt(data, ['data']) })
  }
  return JSON.stringify({ seq: offset, type: entry.type, user: view.user, at: entry.at, deleted: true })
}

/** How a stored message begins that names its author, as `decideSend` writes it. */
const untouched = '{"type":"message","id":'
