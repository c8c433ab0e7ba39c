import { readEntry, type Message } from './entries.ts'
import type { Http } from './http.ts'
import { readListItem, type ListItem } from './inbox.ts'
import { count, fields, items, text } from './parse.ts'
import { readMembers, type Member } from './people.ts'
import { nothingShown, readShown, type Shown } from './shown.ts'
import { readThread, readThreadState, type Thread, type ThreadState } from './threads.ts'

/** direct: two people; group: its members; channel: everyone of the tenant reads, members write. */
export type ConversationType = 'direct' | 'group' | 'channel'

/** The properties of a new conversation; its creator becomes a member without being named. */
export interface NewConversation {
  readonly type: ConversationType
  readonly members: readonly string[]
  readonly name?: string
  readonly topic?: string
  /** An https address of a picture. */
  readonly avatar?: string
  /** Custom properties of your own. */
  readonly properties?: object
}

/** What to change of a conversation; null removes. */
export interface ConversationChange {
  readonly name?: string
  readonly topic?: string | null
  readonly avatar?: string | null
  readonly properties?: object | null
  readonly frozen?: boolean
  readonly slowModeSeconds?: number | null
}

/** A banned user; `until` is in milliseconds since the epoch, null for a ban without an end. */
export interface Ban {
  readonly user: string
  readonly until: number | null
}

/** A conversation as it was just made or found. */
export interface Created {
  readonly id: string
  readonly type: string
  readonly name: string
  readonly members: readonly Member[]
}

/** Everything about one conversation but what is said in it. */
export interface Details extends Shown {
  readonly id: string
  readonly type: string
  readonly name: string
  readonly members: readonly Member[]
  readonly memberCount: number
}

/** One page of the list, newest activity first; `next` asks for the following one. */
export interface Page {
  readonly conversations: readonly ListItem[]
  readonly next: string | null
}

/** Which reactions to a message are asked for: those with one reaction, or all. */
export interface ReactionsWanted {
  readonly reaction?: string
  readonly cursor?: string
  readonly limit?: number
}

/** What a search looks for; at least `q`, `author` or `has`. Times are in milliseconds since the epoch. */
export interface SearchWanted {
  /** Words, each of which must be there; `"words in a row"`; or `beginning*`. */
  readonly q?: string
  readonly conversation?: string
  readonly author?: string
  readonly thread?: number
  readonly has?: 'link' | 'file' | 'image'
  readonly after?: number
  readonly before?: number
  readonly sort?: 'newest' | 'relevance'
  readonly limit?: number
  readonly cursor?: string
}

/** A message that was found. */
export interface FoundMessage {
  readonly conversation: string
  readonly seq: number
  readonly user: string
  readonly at: number
  /** Seq of the message that begins its thread; 0 where it is in none. */
  readonly thread: number
  /** The text, or the part of a long one around the first word that was found. */
  readonly text: string
  /** Where in `text` the words are: start and end, in UTF-16 units. */
  readonly marks: readonly (readonly [start: number, end: number])[]
}

/** One page of a search; it may be empty and have a next one. */
export interface SearchPage {
  readonly messages: readonly FoundMessage[]
  readonly next: string | null
}

/** One page of reactions, by user. */
export interface Reactions {
  readonly reactions: readonly { readonly user: string; readonly reaction: string; readonly at: number }[]
  readonly next: string | null
}

/** One page of the replies in a thread, newest first, and the user's own part in it. */
export interface RepliesPage {
  readonly replies: readonly { readonly seq: number; readonly message: Message }[]
  /** Ask for older replies with it; null when there are none. */
  readonly before: number | null
  readonly own: ThreadState
}

/** One page of the threads that the user follows. */
export interface ThreadsPage {
  readonly threads: readonly Thread[]
  /** How many of all the user's threads in the conversation have unread replies. */
  readonly unread: number
  readonly next: string | null
}

/** A text that a message had. */
export interface EditedText {
  readonly text: string
  readonly user: string
  readonly at: number
}

/** A pinned message. */
export interface Pin {
  readonly ref: number
  readonly user: string
  readonly at: number
  readonly until?: number
}

/** Conversations over HTTP: listing, creating, and who belongs to them. Every method throws ParleyError. */
export class Conversations {
  readonly #http: Http

  constructor(http: Http) {
    this.#http = http
  }

  /** One page of the user's conversations. */
  async list({ cursor, limit = 50 }: { cursor?: string | undefined; limit?: number } = {}): Promise<Page> {
    const query = new URLSearchParams({ limit: String(limit), ...(cursor === undefined ? {} : { cursor }) })
    const page = fields(await this.#http.request('GET', `/v1/conversations?${query.toString()}`))
    return { conversations: items(page['conversations']).map(readListItem), next: text(page['next']) || null }
  }

  /** Makes a conversation; the direct one of two people is always the same. */
  async create(wanted: NewConversation): Promise<Created> {
    const made = fields(await this.#http.request('POST', '/v1/conversations', wanted))
    return { ...propertiesOf(made), members: readMembers(made['members']) }
  }

  /** Looks one up. */
  async get(id: string): Promise<Details> {
    const found = fields(await this.#http.request('GET', path(id)))
    const members = readMembers(found['members'])
    return {
      ...nothingShown,
      ...readShown(found),
      ...propertiesOf(found),
      members,
      memberCount: count(found['memberCount'], members.length),
    }
  }

  /** Gives it another name. */
  async rename(id: string, name: string): Promise<void> {
    await this.#http.request('PATCH', path(id), { name })
  }

  /** Changes its properties, freezes it, or turns slow mode on. */
  async update(id: string, change: ConversationChange): Promise<void> {
    await this.#http.request('PATCH', path(id), change)
  }

  /** Adds members. */
  async add(id: string, members: readonly string[]): Promise<void> {
    await this.#http.request('POST', `${path(id)}/members`, { members })
  }

  /** Gives a member another role: owner, admin, moderator, member, reader, or one of the conversation's own. */
  async setRole(id: string, user: string, role: string): Promise<void> {
    await this.#http.request('PATCH', `${path(id)}/members/${encodeURIComponent(user)}`, { role })
  }

  /** Removes a user and keeps them out, until a time in milliseconds since the epoch or for good. */
  async ban(
    id: string,
    user: string,
    options: { readonly until?: number; readonly reason?: string } = {},
  ): Promise<void> {
    await this.#http.request('PUT', `${path(id)}/bans/${encodeURIComponent(user)}`, options)
  }

  /** Ends a ban. */
  async unban(id: string, user: string): Promise<void> {
    await this.#http.request('DELETE', `${path(id)}/bans/${encodeURIComponent(user)}`)
  }

  /** The users that are banned now. */
  async bans(id: string): Promise<readonly Ban[]> {
    const { bans } = fields(await this.#http.request('GET', `${path(id)}/bans`))
    return items(bans).map((given) => {
      const { user, until } = fields(given)
      return { user: text(user), until: typeof until === 'number' ? until : null }
    })
  }

  /** Removes a member, or lets oneself out. */
  async remove(id: string, user: string): Promise<void> {
    await this.#http.request('DELETE', `${path(id)}/members/${encodeURIComponent(user)}`)
  }

  /** Searches the messages that the user may read; `next` asks for the following page. */
  async search(wanted: SearchWanted): Promise<SearchPage> {
    const query = new URLSearchParams()
    for (const [name, value] of Object.entries(wanted)) if (value !== undefined) query.set(name, String(value))
    const page = fields(await this.#http.request('GET', `/v1/search/messages?${query.toString()}`))
    return { messages: items(page['messages']).map(readFound), next: text(page['next']) || null }
  }

  /** A page of the users who reacted to a message; `next` asks for the following one. */
  async reactions(id: string, seq: number, { reaction, cursor, limit = 50 }: ReactionsWanted = {}): Promise<Reactions> {
    const query = new URLSearchParams({ limit: String(limit) })
    if (reaction !== undefined) query.set('reaction', reaction)
    if (cursor !== undefined) query.set('cursor', cursor)
    const page = fields(await this.#http.request('GET', `${path(id)}/messages/${seq}/reactions?${query.toString()}`))
    const readOne = (given: unknown) => ({
      user: text(fields(given)['user']),
      reaction: text(fields(given)['reaction']),
      at: count(fields(given)['at']),
    })
    return { reactions: items(page['reactions']).map(readOne), next: text(page['next']) || null }
  }

  /** A page of the replies in the thread of message `root`, newest first. */
  async replies(
    id: string,
    root: number,
    { before, limit = 50 }: { before?: number; limit?: number } = {},
  ): Promise<RepliesPage> {
    const query = new URLSearchParams({
      limit: String(limit),
      ...(before === undefined ? {} : { before: String(before) }),
    })
    const page = fields(await this.#http.request('GET', `${path(id)}/threads/${root}/replies?${query.toString()}`))
    const replies = items(page['replies']).flatMap((given) => {
      const entry = readEntry(given)
      return entry.type === 'message' ? [{ seq: count(fields(given)['seq']), message: entry }] : []
    })
    return { replies, before: count(page['before']) || null, own: readThreadState(page['own']) }
  }

  /** A page of the threads that the user follows, the one with the newest reply first. */
  async threads(id: string, { cursor, limit = 50 }: { cursor?: string; limit?: number } = {}): Promise<ThreadsPage> {
    const query = new URLSearchParams({ limit: String(limit), ...(cursor === undefined ? {} : { cursor }) })
    const page = fields(await this.#http.request('GET', `${path(id)}/threads?${query.toString()}`))
    return {
      threads: items(page['threads']).map(readThread),
      unread: count(page['unread']),
      next: text(page['next']) || null,
    }
  }

  /** All texts of a message, the oldest first. */
  async edits(id: string, seq: number): Promise<readonly EditedText[]> {
    const found = fields(await this.#http.request('GET', `${path(id)}/messages/${seq}/edits`))
    return items(found['edits']).map((given) => {
      const { text: words, user, at } = fields(given)
      return { text: text(words), user: text(user), at: count(at) }
    })
  }

  /** The pins that are not over, the newest first; `ref` is the seq of the message. */
  async pins(id: string): Promise<readonly Pin[]> {
    const found = fields(await this.#http.request('GET', `${path(id)}/pins`))
    return items(found['pins']).map((given) => {
      const { ref, user, at, until } = fields(given)
      return {
        ref: count(ref),
        user: text(user),
        at: count(at),
        ...(until === undefined ? {} : { until: count(until) }),
      }
    })
  }
}

const path = (id: string): string => `/v1/conversations/${encodeURIComponent(id)}`

const propertiesOf = (given: ReturnType<typeof fields>) => ({
  id: text(given['id']),
  type: text(given['type']),
  name: text(given['name']),
})

function readFound(given: unknown): FoundMessage {
  const found = fields(given)
  return {
    conversation: text(found['conversation']),
    seq: count(found['seq']),
    user: text(found['user']),
    at: count(found['at']),
    thread: count(found['thread']),
    text: text(found['text']),
    marks: items(found['marks']).map((mark) => {
      const [start, end] = items(mark)
      return [count(start), count(end)]
    }),
  }
}
