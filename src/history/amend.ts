import { tombstone } from '../events/tombstone.ts'
import type { Amendment } from '../protocol/stream.ts'
import type { Publication } from '../protocol/replies.ts'

/** A message as HTTP shows it: as it reads now, with its place. */
export interface MessageView {
  readonly seq: number
  readonly type: string
  readonly user: string
  readonly at: number
  readonly text?: string | undefined
  readonly editedAt?: number
  readonly deleted?: true
}

/** Takes out the words of deleted messages, wherever the page came from: a cache may still have them. */
export function withoutDeleted(page: readonly Publication[], amendments: readonly Amendment[]): Publication[] {
  const gone = new Set(amendments.filter(({ text }) => text === null).map(({ ref }) => ref))
  return page.map((publication) =>
    gone.has(publication.offset) ? { ...publication, data: tombstone(publication.data) } : publication,
  )
}

/** Entries as they read now: edits applied, deleted ones without words. */
export function toViews(page: readonly Publication[], amendments: readonly Amendment[]): MessageView[] {
  const amended = new Map(amendments.map((amendment) => [amendment.ref, amendment]))
  return page.map(({ offset, data, info }) => {
    const entry: { type: string; user?: string; at: number; text?: string; deleted?: true } = JSON.parse(data)
    const view = { seq: offset, ...entry, user: entry.user ?? info?.user ?? '' }
    const amendment = amended.get(offset)
    if (amendment === undefined) return view
    if (amendment.text === null) return { seq: offset, type: entry.type, user: view.user, at: entry.at, deleted: true }
    return { ...view, text: amendment.text, editedAt: amendment.at }
  })
}
