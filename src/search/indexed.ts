import { z } from 'zod'
import type { HasKind } from '../protocol/search-api.ts'
import { termsOf } from './words.ts'

/** What search knows of one message, as far as one entry of the log says it. Several are put together by their versions. */
export interface IndexedMessage {
  readonly seq: number
  /** Seq of the entry that says it. */
  readonly version: number
  /** The message itself; absent in an edit and in a deletion. */
  readonly sent?: {
    readonly at: number
    readonly user: string
    readonly thread: number | null
    readonly attached: string
  }
  readonly text: string
  readonly words: string
  readonly deleted: boolean
}

/** An entry of a log. */
interface LogEntry {
  readonly seq: number
  readonly at: number
  readonly user: string
  readonly data: string
}

const weekMs = 604_800_000
/** The week of a time in milliseconds since the epoch, as terms begin with it. */
export const weekOf = (at: number): number => Math.floor(at / weekMs)

const content = z.object({
  text: z.string().default(''),
  ref: z.int().optional(),
  thread: z.int().optional(),
  deleted: z.boolean().optional(),
  attachments: z.array(z.looseObject({ type: z.string() })).optional(),
})

const link = /https?:\/\/\S/iu

/** Stands for what a message has. */
export const termOfHas = (kind: HasKind): string => `'~+${kind}'`

/** What an entry of a log changes in the index; undefined for entries that change nothing there. */
export function indexedBy({ seq, at, user, data }: LogEntry): IndexedMessage | undefined {
  const isMessage = data.startsWith('{"type":"message",')
  const isEdit = !isMessage && data.startsWith('{"type":"message.edited"')
  if (!isMessage && !isEdit && !data.startsWith('{"type":"message.deleted"')) return undefined
  const { text, ref, thread = null, deleted = false, attachments = [] } = content.parse(JSON.parse(data))
  if (isMessage) {
    if (deleted || (text === '' && attachments.length === 0)) return undefined
    const kinds: readonly HasKind[] = [
      ...(attachments.length > 0 ? (['file'] as const) : []),
      ...(attachments.some(({ type }) => /^image\b/u.test(type)) ? (['image'] as const) : []),
    ]
    const attached = kinds.map((kind) => ` ${termOfHas(kind)}`).join('')
    return { seq, version: seq, sent: { at, user, thread, attached }, ...searched(text), deleted: false }
  }
  if (ref === undefined) return undefined
  if (!isEdit) return { seq: ref, version: seq, text: '', words: '', deleted: true }
  // The edit of a message that was deleted says nothing, and the deletion is an entry of its own.
  return deleted ? undefined : { seq: ref, version: seq, ...searched(text), deleted: false }
}

const searched = (text: string): Pick<IndexedMessage, 'text' | 'words'> => ({
  // Postgres takes neither in a text; the message itself has them escaped.
  text: text.replaceAll('\0', '\u{FFFD}').toWellFormed(),
  words: `${termsOf(text)}${link.test(text) ? ` ${termOfHas('link')}` : ''}`,
})

/** What the entries of one log change, each message once. */
export function indexedIn(entries: readonly LogEntry[]): IndexedMessage[] {
  const bySeq = new Map<number, IndexedMessage>()
  for (const entry of entries) {
    const next = indexedBy(entry)
    if (next === undefined) continue
    const known = bySeq.get(next.seq)
    bySeq.set(next.seq, known === undefined ? next : joined(known, next))
  }
  return [...bySeq.values()]
}

/** What two entries say of one message: the text of the newer one. */
function joined(a: IndexedMessage, b: IndexedMessage): IndexedMessage {
  const newer = b.version >= a.version ? b : a
  const sent = a.sent ?? b.sent
  return { ...newer, ...(sent === undefined ? {} : { sent }) }
}
