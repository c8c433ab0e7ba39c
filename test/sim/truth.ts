import { readEntry } from '../../sdk/entries.ts'
import { statesOf } from '../../sdk/message-states.ts'
import type { Entry } from '../support/history.ts'
import type { Host } from './host.ts'
import { tenant, type Rows } from './neighbours.ts'
import type { Person, Told } from './person.ts'
import type { Platform } from './platform.ts'
import { brokenSettings } from './settings-check.ts'
import { bodyOf, entryData } from './wire.ts'

/** What really is, on the actors' disks and in Postgres, beside what people were told. */
export class Truth {
  readonly #world: Platform
  readonly #rows: Rows
  readonly #people: readonly Person[]
  readonly #guests: readonly Person[]
  readonly #conversations: readonly string[]

  constructor(
    world: Platform,
    rows: Rows,
    who: { readonly people: readonly Person[]; readonly guests: readonly Person[] },
    conversations: readonly string[],
  ) {
    this.#world = world
    this.#rows = rows
    this.#people = who.people
    this.#guests = who.guests
    this.#conversations = conversations
  }

  get log(): Entry[] {
    return this.#conversations.flatMap((id) => this.#logOf(id))
  }

  /** What is still owed to any client. */
  unsettled(): string[] {
    const waiting = this.#everyone.filter(({ unsettled, isListening }) => unsettled > 0 || !isListening)
    if (waiting.length > 0) return waiting.map(({ user }) => `${user} waits`)
    const owed = this.#conversations.flatMap((id) => {
      const top = this.#topOf(id)
      const deaf = this.#people.filter((person) => person.heardUpTo(id) < top)
      return [
        ...deaf.map(({ user }) => `${user} has not heard ${top} of ${id}`),
        ...(this.#rows.of(id).length < top ? [`postgres lacks some of ${id}`] : []),
      ]
    })
    return owed.length > 0 ? owed : this.#differentInboxes()
  }

  get #everyone(): readonly Person[] {
    return [...this.#people, ...this.#guests]
  }

  #hostOf(conversation: string): Host {
    return this.#world.host('Conversation', `${tenant}/${conversation}`)
  }

  #topOf(conversation: string): number {
    const { disk } = this.#hostOf(conversation)
    return disk.exec<{ top: number }>('SELECT coalesce(max(seq), 0) AS top FROM messages').one().top
  }

  #logOf(conversation: string): Entry[] {
    const { disk } = this.#hostOf(conversation)
    const rows = disk.exec<{ seq: number; user: string; client_id: string | null; data: string }>(
      'SELECT seq, user, client_id, data FROM messages ORDER BY seq',
    )
    return rows.map(({ seq, user, client_id, data }) => {
      return {
        tenant,
        conversation,
        seq,
        user,
        clientId: client_id,
        body: bodyOf(entryData.parse(JSON.parse(data)), user, conversation),
      }
    })
  }

  /** A user's state, counted anew from the log on the disk; undefined for a user that is no member. */
  recount(user: string, conversation: string): Told | undefined {
    const { disk } = this.#hostOf(conversation)
    const [member] = disk.exec<{ read: number }>('SELECT read FROM members WHERE user = ?', user)
    if (member === undefined) return undefined
    const own = `SELECT max(seq) AS seq FROM messages WHERE user = ? AND data LIKE '{"type":"message%' AND ${inConversation}`
    const written = disk.exec<{ seq: number | null }>(own, user).one().seq ?? 0
    const read = Math.max(member.read, written)
    const isUnread = `client_id IS NOT NULL AND ${inConversation} AND data NOT LIKE '%"silent":true%' AND user <> ? AND seq > ? AND seq NOT IN (SELECT ref FROM amendments WHERE text IS NULL)`
    const unread = disk.exec<{ seq: number }>(`SELECT seq FROM messages WHERE ${isUnread}`, user, read)
    const named = disk.exec<{ seq: number; users: string; everyone: number }>('SELECT * FROM mentions')
    const mentions = named.filter(
      ({ seq, users, everyone }) =>
        unread.some((message) => message.seq === seq) && (everyone === 1 || users.includes(`"${user}"`)),
    )
    return { last: this.#topOf(conversation), read, unread: unread.length, mentions: mentions.length }
  }

  /** Conversations of which Postgres has something else than their log. */
  differentRows(): string[] {
    return this.#conversations.flatMap((id) => {
      const log = this.#logOf(id).map(({ seq, user, clientId }) => `${seq} ${user} ${clientId}`)
      const rows = this.#rows.of(id).map(({ seq, user, clientId }) => `${seq} ${user} ${clientId}`)
      return log.join() === rows.join() ? [] : [`postgres has other rows of ${id} than its log`]
    })
  }

  /** Entries that the settings of their conversation exclude. */
  brokenSettings(): string[] {
    return this.#conversations.flatMap((id) => {
      const { disk } = this.#hostOf(id)
      const rows = disk.exec<{ data: string }>('SELECT data FROM messages ORDER BY seq').toArray()
      const texts = rows.map(({ data }) => data)
      return brokenSettings(texts, this.#people[0]?.user ?? '').map((what) => `${id}: ${what}`)
    })
  }

  /** What a page says of messages beside what a client makes of the whole log. */
  differentStates(user: string, conversation: string, read: readonly unknown[]): string[] {
    const { disk } = this.#hostOf(conversation)
    const rows = disk.exec<{ seq: number; data: string }>('SELECT seq, data FROM messages ORDER BY seq').toArray()
    const states = statesOf(rows.map(({ seq, data }) => ({ seq, entry: readEntry(JSON.parse(data)) })))
    const made = [...states].flatMap(([ref, { reactions, pinned, edits, replies }]) => {
      const counts = reactions.map(({ reaction, users }) => ({
        reaction,
        count: users.length,
        own: users.includes(user),
      }))
      const state = {
        ref,
        ...(counts.length === 0 ? {} : { reactions: counts }),
        ...(pinned === undefined || this.#isDeleted(conversation, ref) ? {} : { pinned }),
        ...(edits === 0 ? {} : { edits }),
        ...(replies === undefined ? {} : { replies }),
      }
      return Object.keys(state).length > 1 ? [state] : []
    })
    const text = (all: readonly unknown[]) => all.map((state) => JSON.stringify(sorted(state))).toSorted()
    const [client, page] = [text(made), text(read)]
    return client.join() === page.join()
      ? []
      : [`a client of ${user} makes ${client.join()} of ${conversation}, and a page says ${page.join()}`]
  }

  #isDeleted(conversation: string, ref: number): boolean {
    const { disk } = this.#hostOf(conversation)
    return disk.exec('SELECT 1 AS x FROM amendments WHERE ref = ? AND text IS NULL', ref).toArray().length > 0
  }

  /** Conversations of which a device was told something else than a recount gives. */
  #differentInboxes(): string[] {
    return this.#everyone.flatMap(({ user, list }) =>
      this.#conversations.flatMap((id) =>
        differentStates(`${user} was told`, id, list.get(id), this.recount(user, id)),
      ),
    )
  }

  /** Conversations of which a list says something else than a recount gives. */
  differentList(user: string, items: readonly (Told & { readonly id: string })[]): string[] {
    return this.#conversations.flatMap((id) =>
      differentStates(
        `the list of ${user} has`,
        id,
        items.find((item) => item.id === id),
        this.recount(user, id),
      ),
    )
  }
}

/** Entries that are no replies that only a thread shows. */
const inConversation = `data NOT LIKE '{"type":"message","thread":%'`

/** An object with its fields in the order of their names. */
const sorted = (state: unknown): unknown =>
  Object.fromEntries(Object.entries(Object(state)).toSorted(([one], [other]) => (one < other ? -1 : 1)))

function differentStates(who: string, conversation: string, told: Told | undefined, is: Told | undefined): string[] {
  const text = (state: Told | undefined) =>
    state === undefined ? 'nothing' : JSON.stringify([state.last, state.read, state.unread, state.mentions])
  const known = text(told)
  return known === text(is) ? [] : [`${who} ${known} of ${conversation} and it is ${text(is)}`]
}
