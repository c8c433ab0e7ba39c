import type { Mentions } from '../../src/events/activity.ts'
import { errors } from '../../src/protocol/errors.ts'
import type { History } from '../support/history.ts'
import { Device } from './device.ts'
import { tenant } from './neighbours.ts'
import type { Platform } from './platform.ts'
import { toEntry, words, type Pub, type Subscribed } from './wire.ts'

/** Too fast, frozen, in slow mode. */
const refusedFor = new Set([111, 423, 429])

interface Around {
  readonly world: Platform
  readonly history: History
  readonly token: (user: string, expiresAt: number) => string
}

/** What a message has beside its text. */
export interface Content {
  readonly mentions?: Mentions | undefined
  readonly silent?: boolean
  readonly thread?: number
  readonly alsoInConversation?: boolean
}

/** Where a user stands in a conversation, as the user was told. */
export interface Told {
  readonly last: number
  readonly read: number
  readonly unread: number
  readonly mentions: number
}

const toTold = (item: Readonly<Record<string, unknown>>): Told => ({
  last: Number(item['last']),
  read: Number(item['read']),
  unread: Number(item['unread']),
  mentions: Number(item['mentions'] ?? 0),
})

/** A user in conversations that sends again what was not acknowledged. */
export class Person {
  readonly user: string
  /** What the person was told last of each conversation of the list: its newest entry, the cursor, unread and mentions. */
  readonly list = new Map<string, Told>()
  readonly #world: Platform
  readonly #history: History
  readonly #device: Device
  #said = 0
  /** Messages on their way or to be said again. */
  unsettled = 0

  constructor({ world, history, token }: Around, user: string, gateway: string, conversations: readonly string[]) {
    this.#world = world
    this.#history = history
    this.user = user
    const channels = conversations.map((id) => `conversation:${id}`)
    const told = {
      joined: (channel: string, result: Subscribed) => this.#joined(channel, result),
      heard: (channel: string, publication: Pub) => this.#heard(channel, publication),
    }
    this.#device = new Device({ world, user, gateway, channels, token, told })
  }

  get arrivals(): number {
    return this.#device.arrivals
  }

  get trouble(): readonly string[] {
    return this.#device.trouble
  }

  get isListening(): boolean {
    return this.#device.isListening
  }

  come(): void {
    this.#device.come()
  }

  cut(): void {
    this.#device.cut()
  }

  /** Says one thing until it is acknowledged. */
  say(conversation: string, content: Content = {}): void {
    const n = ++this.#said
    const clientId = `${this.user}-${n}`
    this.unsettled++
    this.#insist(conversation, clientId, words(this.user, clientId, conversation), { ...content, ...threadOf(n) })
    if (n % 9 === 0) this.mention('thread.read', { conversation, seq: 1 + (n % 3), upTo: this.heardUpTo(conversation) })
  }

  /** Asks for something whose answer does not matter, now or never. */
  mention(method: string, data: object): void {
    if (this.#device.isOpen) this.#device.ask({ rpc: { method, data } }, () => undefined)
  }

  /** The place of a conversation's stream. */
  heardUpTo(conversation: string): number {
    return this.#device.places.get(`conversation:${conversation}`)?.offset ?? 0
  }

  #insist(conversation: string, clientId: string, text: string, content: Content): void {
    const again = () =>
      this.#world.after(this.#world.chance.between(50, 400), () => this.#insist(conversation, clientId, text, content))
    if (!this.#device.isOpen) return again()
    const key = { tenant, conversation, user: this.user, clientId }
    const pending = this.#history.invoke(this.user, key, text)
    this.#device.ask(
      { rpc: { method: 'message.send', data: { conversation, clientId, text, ...content } } },
      (reply) => {
        const seq = reply?.rpc?.data.seq
        if (seq === undefined) {
          if (reply?.error !== undefined && refusedFor.has(reply.error.code)) pending.fail()
          else pending.unknown()
          // What it replied to is no message, or is a reply itself.
          if (isNoThread(reply?.error?.code)) return this.#insist(conversation, clientId, text, withoutThread(content))
          return again()
        }
        pending.ok(seq)
        this.unsettled--
      },
    )
  }

  #joined(channel: string, { recovered, offset }: Subscribed): void {
    if (channel.startsWith('user:#') && !recovered) {
      this.list.clear()
      this.#readList()
    }
    if (!recovered && channel.startsWith('conversation:'))
      this.#history.joined(this.user, tenant, channel.slice('conversation:'.length), offset)
  }

  #heard(channel: string, publication: Pub): void {
    const { offset, data } = publication
    if (channel.startsWith('user:#')) return this.#noteListed(String(data['conversation']), data)
    if (offset > 0) this.#history.hear(this.user, toEntry(channel, publication))
  }

  /** A client without a position to recover from asks for the list. An event may have come before the older answer. */
  #readList(): void {
    this.#device.ask({ rpc: { method: 'inbox.list', data: { limit: 100 } } }, (reply) => {
      const conversations = reply?.rpc?.data.conversations
      if (conversations === undefined) return this.#world.after(500, () => this.#readList())
      for (const { id, ...item } of conversations) {
        const known = this.list.get(id)
        const told = toTold(item)
        if (known === undefined || told.last > known.last || (told.last === known.last && told.read > known.read))
          this.list.set(id, told)
      }
    })
  }

  #noteListed(conversation: string, data: Readonly<Record<string, unknown>>): void {
    if (data['type'] === 'unread') this.list.set(conversation, toTold(data))
    if (data['type'] === 'removed') this.list.delete(conversation)
  }
}

/** Each sixth message of a user is a reply in the thread of one of the first three, and half of those are sent to the conversation, too. */
const threadOf = (n: number): Content =>
  n % 6 === 5 ? { thread: 1 + (n % 3), ...(n % 4 === 1 ? { alsoInConversation: true } : {}) } : {}

const withoutThread = ({ mentions, silent = false }: Content): Content => ({ mentions, silent })

/** What a reply is refused with where there is no message that begins a thread. */
const isNoThread = (code: number | undefined): boolean =>
  code === errors.badRequest.code || code === errors.notFound.code
