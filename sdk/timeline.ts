import type { Deletion, Edit, Entry, Message } from './entries.ts'
import type { ParleyError } from './failure.ts'

/** An entry at its place. */
export interface Placed {
  readonly seq: number
  readonly entry: Entry
}

/**
 * Where a message is shown: in a thread, named by the message that begins it, and in the conversation, too, where that is wanted; and the
 * message that it quotes.
 */
export interface ThreadPlace {
  readonly thread?: number
  readonly alsoInConversation?: true
  /** Seq of the message that it quotes. */
  readonly replyTo?: number
}

/** A message of ours that the stream has not brought back yet. */
export interface Outgoing extends ThreadPlace {
  readonly clientId: string
  readonly text: string
  readonly at: number
  /** `waiting`: could not be delivered for now and is tried again. `failed`: refused; only its author can decide. */
  readonly delivery: 'sending' | 'sent' | 'waiting' | 'failed'
  readonly problem?: ParleyError
  /** Its place, once the server has named it. */
  readonly seq?: number
}

/**
 * What one client holds of one conversation: a piece of its log without repeats in ascending order,
 * and what this client sent and has not received back. Plain data; every function here answers a new one.
 */
export interface Timeline {
  readonly me: string
  readonly epoch: string
  readonly placed: readonly Placed[]
  readonly outgoing: readonly Outgoing[]
  /** The newest word on each edited or deleted message, by its seq. */
  readonly amendments: ReadonlyMap<number, Placed>
}

/** Nothing sent, nothing received. */
export const emptyTimeline = (me: string): Timeline => ({
  me,
  epoch: '',
  placed: [],
  outgoing: [],
  amendments: new Map(),
})

/** Forgets the log, which is another incarnation or too far ahead, and keeps what is still on its way. */
export const restart = (timeline: Timeline, epoch: string): Timeline => ({
  ...timeline,
  epoch,
  placed: [],
  amendments: new Map(),
})

/** Adds entries, in any order and however often they come: each offset has one place. */
export function place(timeline: Timeline, arrivals: readonly Placed[]): Timeline {
  const fresh = arrivals.filter(({ seq }) => seq > 0 && find(timeline, seq) === undefined)
  if (fresh.length === 0) return timeline
  const placed = merge(timeline.placed, fresh)
  return {
    ...timeline,
    placed,
    amendments: amend(timeline.amendments, fresh),
    outgoing: withoutReceived(timeline, fresh, placed.at(-1)?.seq ?? 0),
  }
}

/** The entry at `seq`, where it is held. */
export function find({ placed }: Timeline, seq: number): Placed | undefined {
  let low = 0
  let high = placed.length - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    const candidate = placed[middle]
    if (candidate === undefined || candidate.seq === seq) return candidate
    if (candidate.seq < seq) low = middle + 1
    else high = middle - 1
  }
  return undefined
}

function merge(placed: readonly Placed[], fresh: readonly Placed[]): readonly Placed[] {
  const bySeq = new Map(fresh.map((one) => [one.seq, one]))
  const sorted = [...bySeq.values()].sort((a, b) => a.seq - b.seq)
  const follows = (sorted[0]?.seq ?? 0) > (placed.at(-1)?.seq ?? 0)
  return follows ? [...placed, ...sorted] : [...placed, ...sorted].sort((a, b) => a.seq - b.seq)
}

function amend(known: ReadonlyMap<number, Placed>, fresh: readonly Placed[]): ReadonlyMap<number, Placed> {
  const changed = fresh.filter(({ entry }) => isAmendment(entry))
  if (changed.length === 0) return known
  const amendments = new Map(known)
  for (const one of changed) {
    if (!isAmendment(one.entry)) continue
    const { ref } = one.entry
    if (one.seq > (amendments.get(ref)?.seq ?? 0)) amendments.set(ref, one)
  }
  return amendments
}

const isAmendment = (entry: Entry): entry is Edit | Deletion =>
  entry.type === 'message.edited' || entry.type === 'message.deleted'

/** What the stream has brought back, or has passed by, is no longer on its way. */
function withoutReceived({ me, outgoing }: Timeline, fresh: readonly Placed[], top: number): readonly Outgoing[] {
  if (outgoing.length === 0) return outgoing
  const received = new Set(
    fresh.map(({ entry }) => (entry.type === 'message' && entry.user === me ? entry.clientId : '')),
  )
  return outgoing.filter(({ clientId, seq }) => !received.has(clientId) && !(seq !== undefined && seq <= top))
}

/** A message as it reads now, with its newest edit or deletion applied. */
export function asAmended({ amendments }: Timeline, seq: number, message: Message): Message {
  const word = amendments.get(seq)?.entry
  // The message itself was stored without its content, where it was deleted and restored.
  if (word?.type === 'message.edited')
    return { ...message, text: word.text, edited: word.restores?.edited ?? true, deleted: false }
  return word?.type === 'message.deleted' ? { ...message, text: '', deleted: true } : message
}

/** The lowest seq held, 0 when none is. */
export const oldest = ({ placed }: Timeline): number => placed[0]?.seq ?? 0
/** The highest seq held, 0 when none is. */
export const newest = ({ placed }: Timeline): number => placed.at(-1)?.seq ?? 0

/** The newest hole between what is held: after `after`, before `before`. */
export function hole({ placed }: Timeline): { readonly after: number; readonly before: number } | undefined {
  const at = placed.findLastIndex(({ seq }, index) => index > 0 && placed[index - 1]?.seq !== seq - 1)
  const [below, above] = [placed[at - 1], placed[at]]
  return below === undefined || above === undefined ? undefined : { after: below.seq, before: above.seq }
}

/** Says something: it is shown at once and is on its way. */
export const say = (
  timeline: Timeline,
  clientId: string,
  text: string,
  at: number,
  place: ThreadPlace = {},
): Timeline => ({
  ...timeline,
  outgoing: [...timeline.outgoing, { clientId, text, at, delivery: 'sending', ...placeOf(place) }],
})

/** The place alone of what has one. */
export const placeOf = ({ thread, alsoInConversation, replyTo }: ThreadPlace): ThreadPlace => ({
  ...(thread === undefined ? {} : { thread }),
  ...(alsoInConversation === undefined ? {} : { alsoInConversation }),
  ...(replyTo === undefined ? {} : { replyTo }),
})

/** Messages of an earlier page, written before those on their way. */
export const restore = (timeline: Timeline, messages: readonly Outgoing[]): Timeline => ({
  ...timeline,
  outgoing: [...messages, ...timeline.outgoing],
})

/** The server has it at `seq`; it stays until the stream brings it or has passed its place. */
export function acknowledge(timeline: Timeline, clientId: string, seq: number): Timeline {
  if (seq <= newest(timeline)) return drop(timeline, clientId)
  return change(timeline, clientId, ({ text, at, ...one }) => ({
    clientId,
    text,
    at,
    delivery: 'sent',
    seq,
    ...placeOf(one),
  }))
}

/** Could not be delivered: for now (`waiting`), or at all (`failed`). */
export const stall = (timeline: Timeline, clientId: string, problem: ParleyError): Timeline =>
  change(timeline, clientId, (one) => ({ ...one, delivery: problem.temporary ? 'waiting' : 'failed', problem }))

/** Is on its way again. */
export const resend = (timeline: Timeline, clientId: string): Timeline =>
  change(timeline, clientId, ({ text, at, ...one }) => ({
    clientId,
    text,
    at,
    delivery: 'sending',
    ...placeOf(one),
  }))

/** Its author thought better of it. */
export const drop = (timeline: Timeline, clientId: string): Timeline => ({
  ...timeline,
  outgoing: timeline.outgoing.filter((one) => one.clientId !== clientId),
})

const change = (timeline: Timeline, clientId: string, how: (one: Outgoing) => Outgoing): Timeline => ({
  ...timeline,
  outgoing: timeline.outgoing.map((one) => (one.clientId === clientId ? how(one) : one)),
})
