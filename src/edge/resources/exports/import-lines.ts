import { entryKinds } from '../../../conversations/entry-views.ts'
import { isReplayable } from '../../../conversations/replay-entry.ts'
import { encodeWith } from '../../../kernel/json.ts'
import { isLonger } from '../../../kernel/text.ts'
import { explain } from '../../../protocol/explain.ts'
import { anyLine, importedLines, type ImportedLine } from '../../../protocol/import-api.ts'
import { sizes } from '../../../protocol/limits.ts'
import { textAt } from '../../../protocol/protobuf/json-text.ts'

/** A line that is imported, with its text; a type that is not; or why a line is refused. */
export type ReadLine =
  | { readonly kind: 'line'; readonly line: ImportedLine; readonly text: string }
  | { readonly kind: 'skipped' }
  | { readonly kind: 'bad'; readonly reason: string }

const bad = (reason: string): ReadLine => ({ kind: 'bad', reason })

/** Reads one line of an export. */
export function readLine(text: string, now: number): ReadLine {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return bad('not a JSON object')
  }
  const any = anyLine.safeParse(value)
  if (!any.success) return bad(explain(any.error))
  const { type } = any.data
  if (!isImported(type)) return { kind: 'skipped' }
  const read = importedLines[type].safeParse(value)
  if (!read.success) return bad(explain(read.error))
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- read by the schema of its type
  const line = { ...read.data, type } as ImportedLine
  const reason = line.type === 'entry' ? badEntry(line, now) : undefined
  return reason === undefined ? { kind: 'line', line, text } : bad(reason)
}

const isImported = (type: string): type is keyof typeof importedLines => Object.hasOwn(importedLines, type)

type EntryLine = Extract<ImportedLine, { readonly type: 'entry' }>

/** Why an entry cannot stand in a log, or undefined. */
function badEntry({ at, user, clientId, entry }: EntryLine, now: number): string | undefined {
  const kind = entryKinds[entry.type]
  if (kind === undefined || !isReplayable(entry.type))
    return `entry.type: ${entry.type.slice(0, 64)} cannot be imported`
  // A deleted message has no text any more.
  const missing = { id: entry['id'] ?? '', ...(entry['deleted'] === true ? { text: '' } : {}) }
  const read = kind.safeParse({ ...entry, user: entry.user ?? user, ...missing })
  if (!read.success) return `entry.${explain(read.error)}`
  if (entry.at !== at) return `entry.at: must be ${at}, as the line says, got ${entry.at}`
  if ((entry.user ?? user) !== user) return 'entry.user: must be the user of the line'
  if (at > now) return 'at: must be in the past'
  if ((entry.type === 'message') !== (clientId !== null)) return 'clientId: messages have one, and no other entries'
  if (isLonger(JSON.stringify(entry), entryBytes)) return `entry: at most ${entryBytes} bytes of JSON`
  const { text } = entry
  return typeof text === 'string' && isLonger(text, sizes.textBytes)
    ? `entry.text: at most ${sizes.textBytes} bytes`
    : undefined
}

const entryBytes = 65_536

/** The stored text of an entry: as it is in the line, but for the id of a message, which follows from its conversation. */
export function storedEntry({ entry, seq, user, clientId }: EntryLine, text: string, conversation: string): string {
  const id = `${conversation}.${seq}`
  const given = textAt(text, ['entry']) ?? JSON.stringify(entry)
  const { type } = entry
  const isOwn = (type !== 'message' || entry['id'] === id) && entry.user !== undefined
  if (isOwn && given.startsWith(`{"type":"${type}"`)) return given
  const { type: _, data: __, ...fields }: Record<string, unknown> = JSON.parse(given)
  // Fields keep their order.
  const changed = type === 'message' ? { id, clientId } : {}
  return encodeWith({ type, ...fields, user, ...changed }, { data: textAt(given, ['data']) })
}
