import type { Entry } from './entries.ts'
import type { Placed } from './timeline.ts'

/** Who reacted with the same, in the order in which they did. */
export interface Reaction {
  readonly reaction: string
  readonly users: readonly string[]
}

/** What a message has beside its text. */
export interface MessageState {
  /** In the order in which they came. */
  readonly reactions: readonly Reaction[]
  /** Who pinned it, and until when in milliseconds since the epoch. */
  readonly pinned?: { readonly user: string; readonly at: number; readonly until?: number }
  /** How many times it was edited. */
  readonly edits: number
  /** Its thread; absent where it has no reply that is not deleted. */
  readonly replies?: Replies
}

/** The thread that a message begins. */
export interface Replies {
  /** Replies that are not deleted. */
  readonly count: number
  /** The newest of them. */
  readonly last: { readonly seq: number; readonly user: string; readonly at: number }
  /** Up to five users that replied, in the order of their first replies, of `userCount`. */
  readonly users: readonly string[]
  readonly userCount: number
}

const shownRepliers = 5

const none: MessageState = { reactions: [], edits: 0 }

/**
 * The states of messages by their seq, from entries in ascending order. They are whole where the entries reach from the message
 * to the end of the log.
 */
export function statesOf(placed: readonly Placed[]): ReadonlyMap<number, MessageState> {
  const states = new Map<number, MessageState>()
  const threads = new Threads()
  const change = (ref: number, how: (state: MessageState) => MessageState) =>
    states.set(ref, how(states.get(ref) ?? none))
  for (const { seq, entry } of placed) {
    threads.take(seq, entry)
    if (entry.type === 'reaction.added') change(entry.ref, (state) => added(state, entry))
    if (entry.type === 'reaction.removed')
      change(entry.ref, (state) => ({ ...state, reactions: without(state.reactions, entry.member, entry.reaction) }))
    if (entry.type === 'pin.added') change(entry.ref, (state) => ({ ...state, pinned: pinOf(entry) }))
    if (entry.type === 'pin.removed') change(entry.ref, ({ reactions, edits }) => ({ reactions, edits }))
    if (entry.type === 'message.edited' && entry.restores === undefined)
      change(entry.ref, (state) => ({ ...state, edits: state.edits + 1 }))
    if (entry.type === 'message.deleted') change(entry.ref, (state) => ({ ...state, edits: 0 }))
  }
  for (const [root, replies] of threads.shown()) change(root, (state) => ({ ...state, replies }))
  return states
}

interface Reply {
  readonly seq: number
  readonly user: string
  readonly at: number
}

/** Replies by their threads, deleted ones too: their authors have replied. */
class Threads {
  readonly #replies = new Map<number, Reply[]>()
  readonly #deleted = new Set<number>()

  take(seq: number, entry: Entry): void {
    if (entry.type === 'message.deleted') this.#deleted.add(entry.ref)
    if (entry.type === 'message.edited' && entry.restores !== undefined) this.#deleted.delete(entry.ref)
    if (entry.type !== 'message' || entry.thread === 0) return
    const known = this.#replies.get(entry.thread) ?? []
    known.push({ seq, user: entry.user, at: entry.at })
    this.#replies.set(entry.thread, known)
    if (entry.deleted) this.#deleted.add(seq)
  }

  *shown(): Generator<readonly [number, Replies]> {
    for (const [root, replies] of this.#replies) {
      const live = replies.filter(({ seq }) => !this.#deleted.has(seq))
      const last = live.at(-1)
      const users = [...new Set(replies.map(({ user }) => user))]
      if (last !== undefined)
        yield [root, { count: live.length, last, users: users.slice(0, shownRepliers), userCount: users.length }]
    }
  }
}

type Added = { readonly user: string; readonly reaction: string; readonly only: boolean }

function added(state: MessageState, { user, reaction, only }: Added): MessageState {
  if (reaction === '') return state
  const kept = only
    ? state.reactions.flatMap((one) => (one.reaction === reaction ? [one] : without([one], user, one.reaction)))
    : state.reactions
  const known = kept.find((one) => one.reaction === reaction)
  if (known === undefined) return { ...state, reactions: [...kept, { reaction, users: [user] }] }
  if (known.users.includes(user)) return { ...state, reactions: kept }
  return {
    ...state,
    reactions: kept.map((one) => (one === known ? { reaction, users: [...one.users, user] } : one)),
  }
}

const without = (reactions: readonly Reaction[], user: string, reaction: string): readonly Reaction[] =>
  reactions.flatMap((one) => {
    if (one.reaction !== reaction) return [one]
    const users = one.users.filter((each) => each !== user)
    return users.length === 0 ? [] : [{ reaction, users }]
  })

const pinOf = ({ user, at, until }: { readonly user: string; readonly at: number; readonly until: number }) => ({
  user,
  at,
  ...(until === 0 ? {} : { until }),
})
