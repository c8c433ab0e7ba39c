import { EventOutbox } from '../../durable-objects/shared/event-outbox.ts'
import type { ConsumerSpec } from '../../src/event-log/consumers/spec.ts'
import { createdEvent, eventOfEntry, entryName } from '../../src/conversations/published-events.ts'
import type { Conversation } from '../../src/conversations/types.ts'
import type { ErasedUser } from '../../src/events/erased-user.ts'
import type { NewEvent } from '../../src/events/log-event.ts'
import { ownTopic } from '../../src/events/own-topic.ts'
import { tombstone } from '../../src/events/tombstone.ts'
import { StoredValues } from './stored-values.ts'
import {
  endpointNetwork,
  endpointServers,
  goodEndpoints,
  type EndpointAnswer,
  type EndpointCall,
  type EndpointWeather,
} from './endpoints.ts'
import { eventActors } from './globals.ts'
import { stub } from './namespace.ts'
import { tenant } from './neighbours.ts'
import { Setting, type Day, type Ending as SettingEnding } from './setting.ts'

/** What a story about a webhook and the erasure of a user is about, beside its seed. */
export interface WebhookPlot extends Day {
  readonly events: number
  readonly endpoints: EndpointWeather
  /** Whether the actor that publishes dies now and then, between a call and its note of it. */
  readonly publisherDies: boolean
}

export interface WebhookEnding extends SettingEnding {
  readonly published: number
  readonly posts: number
  /** Posts of events that the endpoint had before. */
  readonly duplicates: number
  readonly erased: number
}

const calmsWithinMs = 3_600_000
const consumer = 'webhook/crm'
/** Nothing else of a day contains this text. */
const erasedUser = 'alice-who-leaves'
const secret = 'what only this user would write'
const erased: ErasedUser = { user: erasedUser, pseudonym: 'erased-1', messages: 'delete' }
/** A post that was under way when the erasure ended is over by then. */
const postedWithinMs = 30_000

/** A webhook is told of a conversation while everything fails and one of its members is erased; then all promises are looked at. */
export async function tellOfWebhooks(seed: number, plot: WebhookPlot): Promise<WebhookEnding> {
  let weather = plot.endpoints
  const story: { take?: (call: EndpointCall) => EndpointAnswer } = {}
  const take = (call: EndpointCall) => story.take?.(call) ?? { status: 500, body: null }
  const servers = () => ({ Endpoint: endpointServers(() => weather, take) })
  const network = endpointNetwork(() => undefined)
  const setting = await Setting.of(seed, plot, servers, { ENDPOINTS: network }, eventActors)
  const webhook = new WebhookStory(setting, plot)
  story.take = webhook.take
  try {
    await webhook.begin()
    await webhook.happen()
    weather = goodEndpoints
    return await webhook.end()
  } finally {
    setting.close()
  }
}

/** A change of the conversation, as its actor notes it. */
interface Noted {
  readonly event: NewEvent
  readonly emptied: readonly { readonly source: string; readonly id: string }[]
}

interface Sent {
  readonly conversation: Conversation
  readonly seq: number
  readonly user: string
  isDeleted: boolean
}

class WebhookStory {
  readonly #setting: Setting
  readonly #plot: WebhookPlot
  readonly #broken: string[] = []
  readonly #conversations: readonly Conversation[]
  /** What is stored where events are published. */
  readonly #values = new StoredValues()
  #alive = { isDead: false }
  #outbox: EventOutbox<Noted>
  #seq = 1
  readonly #messages: Sent[] = []
  readonly #published: NewEvent[] = []
  /** What the endpoint got, by the id of the post. */
  readonly #received = new Map<string, string>()
  readonly #order: { readonly key: string; readonly id: string }[] = []
  #posts = 0
  #erasure: 'before' | 'under way' | 'over' = 'before'
  #erasedAt = Infinity
  #erased = 0

  constructor(setting: Setting, plot: WebhookPlot) {
    this.#setting = setting
    this.#plot = plot
    this.#conversations = ['lunch', 'dinner'].map((id) => conversationOf(id))
    this.#outbox = this.#open()
  }

  /** The endpoint of the webhook. */
  take = ({ headers, body }: EndpointCall): EndpointAnswer => {
    const post = headers['webhook-id'] ?? ''
    const {
      source,
      id,
      partitionkey: key = '',
    }: { source: string; id: string; partitionkey?: string } = JSON.parse(body)
    const event = `${source} ${id}`
    this.#posts++
    const known = this.#received.get(post)
    if (known !== undefined && known !== event) this.#broken.push(`${post} was ${known} and came as ${event}`)
    if (known === undefined) this.#order.push({ key, id: event })
    this.#received.set(post, event)
    if (this.#setting.world.now > this.#erasedAt + postedWithinMs && namesUser(body))
      this.#broken.push(`${post} names the user after the erasure`)
    return { status: 204, body: null }
  }

  async begin(): Promise<void> {
    await this.#call('EventLog', ownTopic, 'configure', { maxAgeSeconds: 14 * 86_400, maxBytes: 1e9 })
    const spec: ConsumerSpec = {
      topic: ownTopic,
      types: [],
      keys: [],
      sources: [],
      condition: null,
      versions: {},
      push: { url: 'https://hooks.example/crm', timeoutSeconds: 2 },
      parallel: 3,
      maxAttempts: 16,
      ordered: true,
      webhook: { name: 'crm', description: '', events: [] },
    }
    await this.#call('EventConsumer', consumer, 'configure', spec, 0)
    await this.#call('EventLog', ownTopic, 'addConsumer', consumer)
    this.#outbox.setOn(true)
    for (const conversation of this.#conversations)
      this.#note({ event: createdEvent(conversation, [erasedUser, 'bob'], 2), emptied: [] })
  }

  async happen(): Promise<void> {
    const half = Math.ceil(this.#plot.events / 2)
    const want = () => this.#want()
    const fault = () => this.#fault()
    await this.#setting.happen(half, want, fault)
    // What was admitted before the user's tokens were refused is over.
    this.#erasure = 'under way'
    void this.#erase()
    await this.#setting.happen(this.#plot.events - half, want, fault)
  }

  async end(): Promise<WebhookEnding> {
    const unsettled = await this.#setting.calmDown(() => this.#unsettled(), calmsWithinMs)
    await this.#setting.pass(postedWithinMs)
    const broken = [...unsettled, ...this.#broken, ...this.#missed(), ...this.#overtaken(), ...this.#left()]
    const duplicates = this.#posts - this.#received.size
    return {
      ...this.#setting.ending([...new Set(broken)]),
      published: this.#published.length,
      posts: this.#posts,
      duplicates,
      erased: this.#erased,
    }
  }

  #open(): EventOutbox<Noted> {
    const { world } = this.#setting
    const alive = (this.#alive = { isDead: false })
    const outbox = new EventOutbox<Noted>(
      {
        tenant,
        kv: this.#values.whileIn(alive),
        append: async (_, events) => await this.#append(events),
        eventsOf: (entries) => entries.map(({ change }) => change.event),
        wakeAt: (at) => world.after(Math.max(0, at - world.now), () => void this.#ring(alive)),
      },
      world.now,
    )
    return outbox
  }

  async #ring(alive: { readonly isDead: boolean }): Promise<void> {
    if (alive.isDead) return
    const { world } = this.#setting
    if (this.#outbox.dueAt <= world.now) await this.#outbox.run(() => world.now)
    if (!alive.isDead) this.#outbox.wakeAgain(world.now)
  }

  async #append(events: readonly NewEvent[]): Promise<void> {
    const emptied = events.flatMap((event) => this.#emptiedBy.get(`${event.source} ${event.id}`) ?? [])
    await this.#ask('EventLog', ownTopic, 'append', events, true, emptied)
  }

  readonly #emptiedBy = new Map<string, Noted['emptied']>()

  #note(noted: Noted): void {
    this.#published.push(noted.event)
    this.#emptiedBy.set(`${noted.event.source} ${noted.event.id}`, noted.emptied)
    this.#outbox.note(noted, this.#setting.world.now)
  }

  /** A message, an edit or a deletion. Nothing comes from the user once they are erased. */
  #want(): void {
    const { chance } = this.#setting.world
    const users = this.#erasure === 'before' ? [erasedUser, 'bob'] : ['bob']
    const user = users[chance.below(users.length)] ?? 'bob'
    const message = this.#messages[chance.below(Math.max(1, this.#messages.length))]
    const kind = chance.below(10)
    if (message === undefined || message.isDeleted || kind < 6) this.#send(user)
    else if (kind < 8 && this.#erasure === 'before') this.#edit(message, user)
    else this.#delete(message, user)
  }

  #send(user: string): void {
    const { chance } = this.#setting.world
    const conversation = this.#conversations[chance.below(2)] ?? conversationOf('lunch')
    const seq = ++this.#seq
    const mentions = this.#erasure === 'before' ? { users: [erasedUser] } : { users: [] }
    const text = user === erasedUser ? secret : 'hello'
    const id = `${conversation.id}:${seq}`
    this.#messages.push({ conversation, seq, user, isDeleted: false })
    this.#entry(conversation, seq, { type: 'message', id, user, at: 1, clientId: String(seq), text, mentions }, [])
  }

  #edit({ conversation, seq: ref, user: author }: Sent, user: string): void {
    const text = author === erasedUser ? secret : 'hello again'
    this.#entry(conversation, ++this.#seq, { type: 'message.edited', user, at: 1, ref, text }, [])
  }

  #delete(message: Sent, user: string): void {
    const { conversation, seq: ref } = message
    message.isDeleted = true
    this.#entry(conversation, ++this.#seq, { type: 'message.deleted', user, at: 1, ref }, [
      entryName(conversation, ref),
    ])
  }

  #entry(conversation: Conversation, seq: number, entry: object, emptied: Noted['emptied']): void {
    const row = { seq, at: 1, user: '', client: '', clientId: null, data: JSON.stringify(entry) }
    const event = eventOfEntry(conversation, row)
    if (event !== undefined) this.#note({ event, emptied })
  }

  /** The part of an erasure that is about own events: what waits, the log, and what consumers keep, until a whole round finds nothing. */
  async #erase(): Promise<void> {
    for (let isOver = false; !isOver;) {
      try {
        const waiting = this.#outbox.rewrite((noted) => withoutWaiting(noted))
        let found = waiting
        for (let after: number | null = 0; after !== null;) {
          const part: unknown = await this.#ask('EventLog', ownTopic, 'eraseUser', erased, after)
          const { erased: changed, next } = partOf(part)
          found += changed
          after = next
        }
        found += Number(await this.#ask('EventConsumer', consumer, 'eraseUser', erasedUser))
        this.#erased += found
        isOver = found === 0
      } catch {
        await this.#pause(this.#setting.world.chance.between(50, 500))
      }
    }
    this.#erasure = 'over'
    this.#erasedAt = this.#setting.world.now
  }

  #unsettled(): string[] {
    const waits = this.#outbox.dueAt < Infinity ? ['events wait to be published'] : []
    const erases = this.#erasure === 'over' ? [] : ['the erasure goes on']
    const open = this.#missed()
    return [...waits, ...erases, ...open]
  }

  /** Every change reached the endpoint. */
  #missed(): string[] {
    const received = new Set(this.#received.values())
    return this.#published
      .map(({ source, id }) => `${source} ${id}`)
      .filter((event) => !received.has(event))
      .map((event) => `${event} was not posted`)
  }

  /** Events of a conversation reached the endpoint in their order for the first time. */
  #overtaken(): string[] {
    return this.#conversations.flatMap(({ id: key }) => {
      const wanted = this.#published.filter((event) => event.key === key).map(({ source, id }) => `${source} ${id}`)
      const got = this.#order.filter((one) => one.key === key).map(({ id }) => id)
      return got.join() === wanted.join() ? [] : [`${key}: ${got.join()} instead of ${wanted.join()}`]
    })
  }

  /** What any store still has of the user, or of the text of a deleted message. */
  #left(): string[] {
    const found = [...this.#setting.world.hosts].flatMap(([name, { disk }]) => {
      if (disk.size === 0) return []
      const tables = disk.exec<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table'").toArray()
      return tables.flatMap(({ name: table }) =>
        disk
          .exec<Record<string, string | number | null>>(`SELECT * FROM "${table}"`)
          .toArray()
          .map((row) => JSON.stringify(row))
          .filter(namesUser)
          .map((row) => `${name} ${table}: ${row.slice(0, 300)}`),
      )
    })
    return [...found, ...this.#values.texts().filter(namesUser)]
  }

  #fault(): void {
    this.#setting.befall(() => undefined)
    if (!this.#plot.publisherDies) return
    this.#alive.isDead = true
    this.#outbox = this.#open()
  }

  async #pause(ms: number): Promise<void> {
    const over = Promise.withResolvers<void>()
    this.#setting.world.after(ms, over.resolve)
    await over.promise
  }

  #call(kind: string, name: string, method: string, ...given: unknown[]): Promise<unknown> {
    return this.#setting.call(kind, `${tenant}/${name}`, method, ...given)
  }

  async #ask(kind: string, name: string, method: string, ...given: unknown[]): Promise<unknown> {
    return await stub(this.#setting.world, kind, `${tenant}/${name}`)[method]?.(...given)
  }
}

const namesUser = (text: string): boolean => text.includes(erasedUser) || text.includes(secret)

/** What the conversation does with entries that its topic does not have yet: it rewrites its log, which is its outbox. */
function withoutWaiting(noted: Noted): Noted {
  const data = noted.event.data ?? ''
  if (!namesUser(data)) return noted
  const { message, ...rest }: { message?: unknown } = JSON.parse(data)
  const isMessage = typeof message === 'object'
  const without = isMessage
    ? `${JSON.stringify(rest).slice(0, -1)},"message":${tombstone(JSON.stringify(message))}}`
    : JSON.stringify({ ...rest, text: '', deleted: true, message })
  return { ...noted, event: { ...noted.event, data: without.replaceAll(erasedUser, erased.pseudonym) } }
}

const partOf = (value: unknown): { readonly erased: number; readonly next: number | null } => ({
  erased: typeof value === 'object' && value !== null && 'erased' in value ? Number(value.erased) : 0,
  next:
    typeof value === 'object' && value !== null && 'next' in value && typeof value.next === 'number'
      ? value.next
      : null,
})

const conversationOf = (id: string): Conversation => ({
  id,
  tenant,
  epoch: 'epoch001',
  type: 'group',
  name: id,
  createdBy: erasedUser,
  createdAt: 1,
  version: 1,
})
