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
  }
  /** Terms of the files that it has; "" in entries that say nothing of them. */
  readonly attached: string
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

const attachments = z.array(z.looseObject({ type: z.string() })).optional()
const content = z.object({
  text: z.string().default(''),
  ref: z.int().optional(),
  thread: z.int().optional(),
  deleted: z.boolean().optional(),
  attachments,
  /** Of an edit that restores: the message as it was before its deletion. */
  content: z.object({ attachments }).optional(),
})

const link = /https?:\/\/\S/iu

/** Stands for what a message has. */
export const termOfHas = (kind: HasKind): string => `'~+${kind}'`

/** What an entry of a log changes in the index; undefined for entries that change nothing there. */
export function indexedBy({ seq, at, user, data }: LogEntry): IndexedMessage | undefined {
  const isMessage = data.startsWith('{"type":"message",')
  const isEdit = !isMessage && data.startsWith('{"type":"message.edited"')
  if (!isMessage && !isEdit && !data.startsWith('{"type":"message.deleted"')) return undefined
  // An entry of another form is not searched, and holds up no others.
  const read = content.safeParse(JSON.parse(data))
  if (!read.success) return undefined
  const { text, ref, thread = null, deleted = false, attachments: files = [], content: restored } = read.data
  if (isMessage) {
    const sent = { at, user, thread }
    // It can be restored by a later entry, which says neither who wrote it nor when.
    if (deleted) return { seq, version: seq, sent, ...nothing, deleted }
    if (text === '' && files.length === 0) return undefined
    return { seq, version: seq, sent, attached: attachedBy(files), ...searched(text), deleted }
  }
  if (ref === undefined) return undefined
  if (!isEdit) return { seq: ref, version: seq, ...nothing, deleted: true }
  // The edit of a message that was deleted says nothing, and the deletion is an entry of its own.
  if (deleted) return undefined
  return { seq: ref, version: seq, attached: attachedBy(restored?.attachments ?? []), ...searched(text), deleted }
}

const nothing = { attached: '', text: '', words: '' } as const

function attachedBy(files: readonly { readonly type: string }[]): string {
  const kinds: readonly HasKind[] = [
    ...(files.length > 0 ? (['file'] as const) : []),
    ...(files.some(({ type }) => /^image\b/u.test(type)) ? (['image'] as const) : []),
  ]
  return kinds.map((kind) => ` ${termOfHas(kind)}`).join('')
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

/** What two entries say of one message: the text of the newer one, and its files where it says something of them. */
function joined(a: IndexedMessage, b: IndexedMessage): IndexedMessage {
  const [older, newer] = b.version >= a.version ? [a, b] : [b, a]
  const sent = a.sent ?? b.sent
  const attached = newer.deleted || newer.attached !== '' ? newer.attached : older.attached
  return { ...newer, attached, ...(sent === undefined ? {} : { sent }) }
}
