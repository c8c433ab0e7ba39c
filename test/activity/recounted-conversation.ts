import type { ConversationActivity, CountChange, ReadState, UserReadState } from '../../src/events/activity.ts'

type Entry =
  | {
      readonly kind: 'message'
      readonly user: string
      readonly mentions: readonly string[]
      readonly everyone: boolean
    }
  | { readonly kind: 'deleted'; readonly ref: number }
  | { readonly kind: 'left'; readonly user: string }
  | { readonly kind: 'other' }

/** A conversation as its members' counts follow from it: counted anew from the whole log, each time. */
export class RecountedConversation {
  readonly log: Entry[] = []
  readonly cursors = new Map<string, number>()
  /** The last cursors of members that left: an inbox that was not told of it yet counts on from there. */
  readonly #former = new Map<string, number>()
  readonly #deleted = new Set<number>()

  get last(): number {
    return this.log.length
  }

  send(user: string, mentions: readonly string[], everyone: boolean): void {
    if (!this.cursors.has(user)) return
    this.log.push({ kind: 'message', user, mentions: mentions.filter((one) => this.cursors.has(one)), everyone })
    this.cursors.set(user, this.last)
  }

  edit(): void {
    this.log.push({ kind: 'other' })
  }

  /** Deletes one of the messages: the `nth` from the newest. */
  delete(nth: number): void {
    const messages = this.log.flatMap(({ kind }, index) => (kind === 'message' ? [index + 1] : []))
    const ref = messages.at(-1 - nth)
    if (ref === undefined || this.#deleted.has(ref)) return
    this.#deleted.add(ref)
    this.log.push({ kind: 'deleted', ref })
  }

  join(user: string): void {
    if (this.cursors.has(user)) return
    this.log.push({ kind: 'other' })
    this.cursors.set(user, this.last)
  }

  leave(user: string): void {
    const cursor = this.cursors.get(user)
    if (cursor !== undefined) this.#former.set(user, cursor)
    if (this.cursors.delete(user)) this.log.push({ kind: 'left', user })
  }

  read(user: string, seq: number): void {
    const cursor = this.cursors.get(user)
    if (cursor !== undefined) this.cursors.set(user, Math.max(cursor, Math.min(seq, this.last)))
  }

  recount(user: string): ReadState {
    const read = this.cursors.get(user) ?? this.#former.get(user) ?? 0
    const unread = this.log.flatMap((entry, index) =>
      entry.kind === 'message' && entry.user !== user && index + 1 > read && !this.#deleted.has(index + 1)
        ? [entry]
        : [],
    )
    const mentions = unread.filter((entry) => entry.everyone || entry.mentions.includes(user)).length
    return { last: this.last, number: this.#number(), read, unread: unread.length, mentions }
  }

  /** What the conversation tells: the entries after `after`, and the states that inboxes do not know yet, also of members that left. */
  activity(after: number, untold: ReadonlySet<string>): ConversationActivity {
    const written = this.log.flatMap((entry, index): UserReadState[] =>
      entry.kind === 'message' && index >= after ? [this.#stateOfAuthor(entry.user, index + 1)] : [],
    )
    const states = new Map(written.map((state) => [state.user, state]))
    for (const user of untold) states.set(user, { user, ...this.recount(user) })
    const changes = this.log.flatMap((entry, index): CountChange[] => {
      const seq = index + 1
      if (seq <= after) return []
      if (entry.kind === 'message') return entry.everyone ? [{ kind: 'mention', seq }] : []
      if (entry.kind === 'other') return []
      if (entry.kind === 'left') return [{ kind: 'left', seq, user: entry.user }]
      const target = this.log[entry.ref - 1]
      return [{ kind: 'deleted', seq, ref: entry.ref, everyone: target?.kind === 'message' && target.everyone }]
    })
    return {
      ...properties,
      last: this.last,
      number: this.#number(),
      states: [...states.values()].sort((a, b) => a.last - b.last),
      statesAfter: after,
      changes,
      changesAfter: after,
    }
  }

  /** The author of a message has read what was before it. */
  #stateOfAuthor(user: string, seq: number): UserReadState {
    return { user, last: seq, number: this.#number(seq), read: seq, unread: 0, mentions: 0 }
  }

  #number(upTo = this.last): number {
    return this.log.slice(0, upTo).filter(({ kind }) => kind === 'message').length
  }
}

/** What does not matter to the counts. */
export const properties = {
  conversation: 'lunch',
  epoch: 'e1',
  type: 'group',
  version: 1,
  name: 'Lunch',
  members: [],
  memberCount: 3,
  at: 1,
  preview: null,
} as const
