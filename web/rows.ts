import type { Line, MessageLine, NoticeLine } from '../sdk/index.ts'
import { dayOf } from './ui/times.ts'

/** One row on the page: a line, or what separates lines. */
export type Row =
  | { readonly kind: 'day'; readonly key: string; readonly at: number }
  | { readonly kind: 'unread'; readonly key: 'unread' }
  | { readonly kind: 'notice'; readonly key: string; readonly line: NoticeLine }
  /** `first` and `last` of what one person says in one go. */
  | {
      readonly kind: 'message'
      readonly key: string
      readonly line: MessageLine
      readonly first: boolean
      readonly last: boolean
      /** It waits for a message before it that could not leave. */
      readonly queued: boolean
      /** The message that it quotes, where that is loaded. */
      readonly quoted: MessageLine | undefined
    }

const inOneGoMs = 5 * 60_000

/** The rows of a conversation: days and the unread mark set between the lines, and messages grouped by author. */
export function rowsOf(lines: readonly Line[], unreadAfter: number | undefined): readonly Row[] {
  const rows: Row[] = []
  let marked = unreadAfter === undefined
  let stalled = false
  const quoted = quotedIn(lines)
  lines.forEach((line, index) => {
    const before = lines[index - 1]
    if (before === undefined || dayOf(before.at) !== dayOf(line.at))
      rows.push({ kind: 'day', key: `day ${line.key}`, at: line.at })
    const mark = !marked && isFromOthers(line) && line.seq > (unreadAfter ?? 0)
    if (mark) rows.push({ kind: 'unread', key: 'unread' })
    marked ||= mark
    rows.push(rowOf(line, mark ? undefined : before, lines[index + 1], stalled, quoted))
    stalled ||= line.kind === 'message' && line.delivery === 'waiting'
  })
  return rows
}

/** Something others have said. */
export const isFromOthers = (line: Line): boolean => line.kind === 'message' && !line.mine && line.seq > 0

/** The messages that others quote, by seq. */
function quotedIn(lines: readonly Line[]): ReadonlyMap<number, MessageLine> {
  const wanted = new Set(lines.flatMap((line) => (line.kind === 'message' ? (line.replyTo ?? []) : [])))
  if (wanted.size === 0) return new Map()
  return new Map(
    lines.flatMap((line) => (line.kind === 'message' && wanted.has(line.seq) ? [[line.seq, line] as const] : [])),
  )
}

function rowOf(
  line: Line,
  before: Line | undefined,
  after: Line | undefined,
  stalled: boolean,
  quotes: ReadonlyMap<number, MessageLine>,
): Row {
  if (line.kind === 'notice') return { kind: 'notice', key: line.key, line }
  const queued = stalled && line.delivery === 'sending'
  return {
    kind: 'message',
    key: line.key,
    line,
    first: !together(before, line),
    last: !together(line, after),
    queued,
    quoted: quotes.get(line.replyTo ?? 0),
  }
}

const together = (above: Line | undefined, below: Line | undefined): boolean =>
  above?.kind === 'message' &&
  below?.kind === 'message' &&
  above.user === below.user &&
  below.at - above.at < inOneGoMs &&
  dayOf(above.at) === dayOf(below.at)
