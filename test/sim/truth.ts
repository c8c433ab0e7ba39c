import { unreadOf, type InboxEntry } from '../../src/inbox/entry.ts'
import type { Entry, History } from '../support/history.ts'
import type { Host } from './host.ts'
import { tenant, type Rows } from './neighbours.ts'
import type { Person } from './person.ts'
import type { Platform } from './platform.ts'

/** What really is, on the actors' disks and in Postgres, beside what people were told. */
export class Truth {
  readonly #world: Platform
  readonly #rows: Rows
  readonly #people: readonly Person[]
  readonly #conversations: readonly string[]

  constructor(world: Platform, rows: Rows, people: readonly Person[], conversations: readonly string[]) {
    this.#world = world
    this.#rows = rows
    this.#people = people
    this.#conversations = conversations
  }

  get log(): Entry[] {
    return this.#conversations.flatMap((id) => this.#logOf(id))
  }

  /** What is still owed to any client. */
  unsettled(): string[] {
    const waiting = this.#people.filter(({ unsettled, isListening }) => unsettled > 0 || !isListening)
    if (waiting.length > 0) return waiting.map(({ user }) => `${user} waits`)
    const owed = this.#conversations.flatMap((id) => {
      const top = this.#topOf(id)
      const deaf = this.#people.filter((person) => person.heardUpTo(id) < top)
      const stale = this.#people.filter(({ user }) => this.#entryOf(user, id)?.last !== top)
      return [
        ...deaf.map(({ user }) => `${user} has not heard ${top} of ${id}`),
        ...stale.map(({ user }) => `the inbox of ${user} does not know ${top} of ${id}`),
        ...(this.#rows.of(id).length < top ? [`postgres lacks some of ${id}`] : []),
      ]
    })
    return owed.length > 0 ? owed : this.#differentInboxes()
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
      return { tenant, conversation, seq, user, clientId: client_id, body: textOf(data) }
    })
  }

  #entryOf(user: string, conversation: string): Counted | undefined {
    const inbox = this.#world.hosts.get(`Inbox ${tenant}/${user}`)
    const found = inbox?.disk.exec<{ entry: string }>('SELECT entry FROM entries WHERE conversation = ?', conversation)
    const text = found?.[0]?.entry
    if (text === undefined) return undefined
    const entry: Counted = JSON.parse(text)
    return entry
  }

  /** What an inbox says of every conversation, for the history. */
  countAll(history: History, user: string): void {
    for (const conversation of this.#conversations) {
      const entry = this.#entryOf(user, conversation) ?? { last: 0, read: 0 }
      history.count({ tenant, user, conversation, last: entry.last, read: entry.read, unread: unreadOf(entry) })
    }
  }

  /** Conversations of which Postgres has something else than their log. */
  differentRows(): string[] {
    return this.#conversations.flatMap((id) => {
      const log = this.#logOf(id).map(({ seq, user, clientId }) => `${seq} ${user} ${clientId}`)
      const rows = this.#rows.of(id).map(({ seq, user, clientId }) => `${seq} ${user} ${clientId}`)
      return log.join() === rows.join() ? [] : [`postgres has other rows of ${id} than its log`]
    })
  }

  /**
   * What a device was last told of its inbox is what the inbox holds; nothing, where no event was sent since it
   * connected.
   */
  #differentInboxes(): string[] {
    return this.#people.flatMap((person) =>
      this.#conversations.flatMap((id) => {
        const entry = this.#entryOf(person.user, id) ?? { last: 0, read: 0 }
        const told = person.inbox.get(id) ?? JSON.stringify([0, 0, 0])
        const is = JSON.stringify([entry.last, entry.read, unreadOf(entry)])
        return told === is ? [] : [`${person.user} was told ${told} of ${id} and it is ${is}`]
      }),
    )
  }
}

/** What a history compares of an entry: its words, or all of what has none. */
/** What an inbox counts unread messages by. */
type Counted = Pick<InboxEntry, 'last' | 'read' | 'uncounted'>

function textOf(data: string): string {
  const { text }: { text?: string } = JSON.parse(data)
  return text ?? data
}
