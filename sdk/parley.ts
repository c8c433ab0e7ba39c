import { inboxChannel } from '../src/protocol/channels.ts'
import { Connection } from './connection.ts'
import { Conversation } from './conversation.ts'
import { ConversationList } from './conversation-list.ts'
import { Conversations } from './conversations.ts'
import { Http } from './http.ts'
import { readInboxUpdate, type InboxUpdate } from './inbox.ts'
import { Listeners } from './listeners.ts'
import { Moderation } from './moderation.ts'
import { Notifications } from './notifications.ts'
import type { ParleyError } from './failure.ts'
import type { MessageStore } from './message-store.ts'
import { pagesOf } from './pages.ts'
import type { Outgoing } from './timeline.ts'
import { Tokens, type TokenOptions } from './tokens.ts'
import { UnsentMessages } from './unsent-messages.ts'

/** Where Parley is and who asks: `{url: 'https://chat.example', getToken}`. */
export type ParleyOptions = TokenOptions & {
  readonly url: string
  readonly user: string
  /** For runtimes without their own. */
  readonly websocket?: unknown
  readonly fetch?: typeof fetch
  /** Where messages are kept that the server does not have yet; without one they end with the page. See `indexedDbStore`. */
  readonly store?: MessageStore
}

/** A message that the server does not have, and where it belongs. */
export interface Unsent extends Outgoing {
  readonly conversation: string
}

/** Everything a client does with Parley: one connection, the list of conversations, and each one opened. */
export class Parley {
  readonly user: string
  readonly connection: Connection
  readonly conversations: Conversations
  /** Feeds of the user, preferences, and display names. */
  readonly notifications: Notifications
  /** Users that this one blocks, and reports. */
  readonly moderation: Moderation
  /** Updates of the list: conversations that moved, appeared or went. */
  readonly inbox = new Listeners<InboxUpdate>()
  readonly #opened = new Map<string, Conversation>()
  readonly #unsent: UnsentMessages
  #list: ConversationList | undefined
  /** Whether the user's own stream was listened to, so that the list has been told to read. */
  #isListening = false

  constructor(options: ParleyOptions) {
    const { user, websocket, fetch: ownFetch } = options
    const url = options.url.replace(/\/+$/, '')
    const tokens = new Tokens(options)
    this.user = user
    this.connection = new Connection({ url, tokens, websocket })
    const http = new Http({ url, tokens, fetch: ownFetch ?? ((...call) => fetch(...call)) })
    this.conversations = new Conversations(http)
    this.notifications = new Notifications(http, user)
    this.moderation = new Moderation(http, user)
    this.#unsent = new UnsentMessages({
      user,
      store: options.store,
      pages: pagesOf(user),
      restore: (conversation, messages) => this.conversation(conversation).restore(messages),
    })
    this.#followInbox()
    this.connection.open()
  }

  /**
   * One conversation, listening. Opening it again gives the same one with all it holds;
   * after `close` it comes back where it was and hears what it missed.
   */
  open(id: string): Conversation {
    const conversation = this.conversation(id)
    conversation.open()
    return conversation
  }

  /** One conversation, which this does not listen to: a message may be sent into it, and `open` follows it. */
  conversation(id: string): Conversation {
    const known = this.#opened.get(id)
    const conversation = known ?? new Conversation(id, this.user, this.connection, this.#unsent)
    this.#opened.set(id, conversation)
    return conversation
  }

  /** The user's conversations, kept up to date from the first time that this is asked for. */
  get list(): ConversationList {
    this.#list ??= new ConversationList({
      user: this.user,
      inbox: this.inbox,
      page: (cursor) => this.conversations.list({ cursor }),
      isListening: this.#isListening,
    })
    return this.#list
  }

  /** Every message of this page that the server does not have, those of earlier pages among them, with the reason where it was refused. */
  get unsent(): readonly Unsent[] {
    return [...this.#opened].flatMap(([conversation, { unsent }]) => unsent.map((one) => ({ ...one, conversation })))
  }

  /** What the store refused to keep: private mode, no space. */
  get storageProblems(): Listeners<ParleyError> {
    return this.#unsent.problems
  }

  /** Whether something that was said would be lost now, were everything ended. */
  get hasUnsent(): boolean {
    return this.#unsent.isVolatile && [...this.#opened.values()].some((conversation) => conversation.hasUnsent)
  }

  /** Ends everything. */
  close(): void {
    this.connection.close()
    this.#unsent.close()
  }

  #followInbox(): void {
    const { client } = this.connection
    const own = inboxChannel(this.user)
    client.on('publication', ({ channel, data }) => {
      if (channel === own) this.notifications.hear(data)
      if (channel === own) this.moderation.hear(data)
      const update = channel === own ? readInboxUpdate(data) : undefined
      if (update !== undefined) this.inbox.tell(update)
    })
    client.on('subscribed', ({ channel, wasRecovering, recovered }) => {
      if (channel !== own) return
      this.#isListening = true
      // Events of feeds are not kept, so they are never recovered.
      this.notifications.lost()
      this.moderation.lost()
      if (!(wasRecovering && recovered)) this.inbox.tell({ kind: 'lost' })
    })
  }
}

/** Connects to Parley. */
export const createParley = (options: ParleyOptions): Parley => new Parley(options)
