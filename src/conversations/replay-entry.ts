import { encodeWith } from '../kernel/json.ts'
import { refuse, type Refusal } from '../protocol/errors.ts'
import { textAt } from '../protocol/protobuf/json-text.ts'
import type { ConversationState } from './state.ts'
import { isInThreadOnly, noteReply, threadFields } from './threads.ts'
import type { LogRow } from './types.ts'

type ReplayState = Pick<ConversationState, 'log' | 'amendments' | 'messages' | 'readStates'> & {
  readonly members: Pick<ConversationState['members'], 'get'>
}

/** The fields of entries that change more than the log. */
interface Fields {
  readonly type: string
  readonly ref?: number
  readonly text?: string
  readonly deleted?: boolean
  readonly silent?: boolean
  readonly thread?: number
  readonly alsoInConversation?: boolean
  readonly mentions?: { readonly users?: readonly string[]; readonly here?: boolean; readonly channel?: boolean }
  readonly content?: unknown
  readonly reaction?: string
  readonly only?: boolean
  readonly until?: number
}

type Replay = (state: ReplayState, row: LogRow, fields: Fields & { readonly ref: number }) => void

const nothing: Replay = () => undefined

/** What an entry of each kind changes beside the log, as the command did that wrote it. */
const replays: Readonly<Record<string, Replay>> = {
  message(state, row, fields) {
    const { thread, mentions } = fields
    // In messages of before 2026-12 a list of users.
    const named = Array.isArray(mentions) ? { users: mentions } : mentions
    if (thread !== undefined) noteReply(state, row, thread, named)
    if (named !== undefined && !isQuiet(fields)) state.readStates.noteMentions(row.seq, named)
  },
  'message.edited'({ amendments, messages }, { seq, user, at, data }, { ref, text = '', deleted, content }) {
    if (deleted === true) return
    if (content !== undefined) {
      amendments.amend(ref, text, at)
      return messages.kept.put(ref, textAt(data, ['content']) ?? '', null)
    }
    if (amendments.target(ref)?.deleted === true) return
    amendments.amend(ref, text, at)
    messages.addEdit(ref, { seq, user, at, text })
  },
  'message.deleted': ({ amendments }, { at }, { ref }) => amendments.amend(ref, null, at),
  'reaction.added'({ messages }, { seq, user, at }, { ref, reaction = '', only }) {
    const own = messages.reactions.of(ref, user)
    for (const other of own)
      if (only === true && other.reaction !== reaction) messages.reactions.remove(ref, user, other.reaction)
    if (!own.some((each) => each.reaction === reaction)) messages.reactions.add(ref, { user, reaction, seq, at })
  },
  'pin.added': ({ messages }, { seq, user, at }, { ref, until }) =>
    messages.pins.put({ ref, user, seq, at, until: until ?? null }),
  'pin.removed': ({ messages }, _, { ref }) => messages.pins.remove(ref),
  'member.joined': nothing,
  'member.left': nothing,
  'member.role': nothing,
  'conversation.renamed': nothing,
}

/** Whether a message does not count in the conversation. */
const isQuiet = (fields: Fields): boolean => fields.silent === true || isInThreadOnly(fields)

/** A reply whose first fields say where it is shown, as those that are sent. */
function placed(row: LogRow, { thread, alsoInConversation }: Fields): LogRow {
  if (thread === undefined) return row
  const { type, data: _, ...others }: Record<string, unknown> = JSON.parse(row.data)
  const entry = { type, ...threadFields(thread, alsoInConversation), ...others }
  return { ...row, data: encodeWith(entry, { data: textAt(row.data, ['data']) }) }
}

/** Whether entries of this kind can be put back from an export. */
export const isReplayable = (type: string): boolean => Object.hasOwn(replays, type)

/**
 * Puts an entry of an export at its place. True when it is new, false when it is there already, a refusal when it does not follow the
 * entries that there are, or when another one has its place.
 */
export function replayEntry(
  state: ReplayState,
  row: LogRow,
  rowAt: (seq: number) => Omit<LogRow, 'data'> | undefined,
): boolean | Refusal {
  const { log } = state
  const top = log.top()
  if (row.seq > top + 1) return refuse('conflict', `seq: the next entry is ${top + 1}, got ${row.seq}`)
  if (row.seq <= top) {
    const known = rowAt(row.seq)
    const isSame = known?.user === row.user && known.at === row.at && known.clientId === row.clientId
    return isSame ? false : refuse('conflict', `seq: ${row.seq} is another entry here`)
  }
  const fields: Fields = JSON.parse(row.data)
  const { type, ref = 0 } = fields
  if (!isReplayable(type)) return refuse('badRequest', `entry.type: ${type} cannot be imported`)
  if (ref >= row.seq) return refuse('badRequest', `entry.ref: must be an earlier entry, got ${ref}`)
  const { thread } = fields
  if (thread !== undefined && (thread >= row.seq || state.messages.threads.rootOf(thread) !== undefined))
    return refuse('badRequest', `entry.thread: must be an earlier message that is no reply itself, got ${thread}`)
  if (log.append(placed(row, fields), isQuiet(fields), thread) !== undefined)
    return refuse('conflict', `clientId: ${row.clientId ?? ''} of ${row.user} is another message here`)
  replays[type]?.(state, row, { ...fields, ref })
  return true
}
