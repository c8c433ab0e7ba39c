import type { Mark } from '../src/protocol/feed-marks.ts'
import type { Http } from './http.ts'
import { Listeners } from './listeners.ts'
import { count, fields, isFields, items, text, texts } from './parse.ts'

/** How many items of a feed there are; archived ones are in no count but their own. */
export interface FeedCounts {
  readonly total: number
  readonly unseen: number
  readonly unread: number
  readonly archived: number
  readonly pinned: number
}

/** An item of a feed. Its texts are plain text. Times are in milliseconds since the epoch, null where it is not marked so. */
export interface Notification {
  readonly id: string
  readonly at: number
  readonly title: string
  readonly body: string
  readonly url: string | undefined
  readonly actions: readonly { readonly id: string; readonly label: string; readonly url: string | undefined }[]
  /** The user that caused it, "" where there is none. */
  readonly actor: string
  readonly category: string
  readonly conversation: string
  readonly seenAt: number | null
  readonly readAt: number | null
  readonly interactedAt: number | null
  readonly pinnedAt: number | null
}

/** What a feed shows now. */
export interface FeedView {
  /** The newest first. */
  readonly items: readonly Notification[]
  /** Shown above the others, and not among them. */
  readonly pinned: readonly Notification[]
  readonly counts: FeedCounts
  /** Whether there are older items than these. */
  readonly hasMore: boolean
  readonly status: 'closed' | 'loading' | 'ready' | 'failed'
}

/** A user's preferences, as `PUT /v1/users/{user}/preferences` has them. */
export type Preferences = Readonly<Record<string, unknown>>

const noCounts: FeedCounts = { total: 0, unseen: 0, unread: 0, archived: 0, pinned: 0 }
const closed: FeedView = { items: [], pinned: [], counts: noCounts, hasMore: false, status: 'closed' }
/** How often a page is read again because something happened meanwhile. */
const readings = 3

/** One feed of the user, kept up to date while the connection is open. Every method that asks the server throws ParleyError. */
export class NotificationFeed {
  readonly name: string
  /** Called after each change of `view`. */
  readonly changes = new Listeners<FeedView>()
  readonly #http: Http
  #view = closed
  #next: string | null = null
  /** Counts events, to know whether one came while a page was on its way. */
  #events = 0
  #loading: Promise<void> | undefined

  constructor(http: Http, name: string) {
    this.#http = http
    this.name = name
  }

  get view(): FeedView {
    return this.#view
  }

  /** Reads the newest page; from then on the feed follows what happens. Asked twice at once, it is read once. */
  open(): Promise<void> {
    this.#loading ??= this.#load().finally(() => (this.#loading = undefined))
    return this.#loading
  }

  /** Reads the page behind the oldest item. */
  async loadMore(): Promise<void> {
    const cursor = this.#next
    if (cursor === null) return
    const page = await this.#page(cursor)
    if (this.#next !== cursor) return
    this.#next = page.next
    const known = new Set(this.#view.items.map(({ id }) => id))
    this.#change({
      items: [...this.#view.items, ...page.items.filter(({ id }) => !known.has(id))],
      hasMore: page.next !== null,
    })
  }

  /** Marks items by their ids. */
  async mark(mark: Mark, ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.#mark(mark, { items: ids })
  }

  /** Marks all items up to the newest one that is held, also those on pages that are not. */
  async markAll(mark: Mark): Promise<void> {
    const newest = this.#newest()
    if (newest !== undefined) await this.#mark(mark, { all: true, feed: this.name, upTo: newest })
  }

  /** Takes an event of the user's channel; others than those of this feed are left alone. */
  hear(given: unknown): void {
    if (this.#view.status === 'closed') return
    const event = fields(given)
    const item = fields(event['item'])
    if (event['type'] === 'notification' && item['feed'] === this.name) {
      this.#events++
      this.#arrived(readNotification(item), readCounts(event['counts']))
    } else if (event['type'] === 'feed' && event['feed'] === this.name) {
      this.#events++
      const upTo = text(event['upTo'])
      const ids = event['items'] === null ? undefined : new Set(texts(event['items']))
      const isMeant = ({ id }: Notification) =>
        ids === undefined ? upTo === '' || numberOf(id) <= numberOf(upTo) : ids.has(id)
      this.#marked(text(event['mark']), count(event['at']), isMeant, readCounts(event['counts']))
    }
  }

  /** Events may have been missed: what is shown is read again. */
  lost(): void {
    if (this.#view.status !== 'closed') void this.open().catch(() => undefined)
  }

  async #load(): Promise<void> {
    if (this.#view.status !== 'ready') this.#change({ status: 'loading' })
    try {
      for (let reading = 1; ; reading++) {
        const before = this.#events
        const { items: found, pinned, counts, next } = await this.#page(undefined)
        if (this.#events !== before && reading < readings) continue
        this.#next = next
        return this.#change({ items: found, pinned, counts, hasMore: next !== null, status: 'ready' })
      }
    } catch (thrown) {
      this.#change({ status: 'failed' })
      throw thrown
    }
  }

  async #page(cursor: string | undefined) {
    const query = new URLSearchParams({ feed: this.name, ...(cursor === undefined ? {} : { cursor }) })
    const page = fields(await this.#http.request('GET', `/v1/feed?${query.toString()}`))
    return {
      items: items(page['items']).map(readNotification),
      pinned: items(page['pinned']).map(readNotification),
      counts: readCounts(page['counts']),
      next: text(page['next']) || null,
    }
  }

  async #mark(mark: Mark, body: object): Promise<void> {
    const answer = fields(await this.#http.request('POST', '/v1/feed/marks', { mark, ...body }))
    const ids = new Set(texts(answer['marked']))
    this.#events++
    this.#marked(mark, Date.now(), ({ id }) => ids.has(id), readCounts(answer['counts']))
  }

  #arrived(item: Notification, counts: FeedCounts): void {
    const others = this.#view.items.filter(({ id }) => id !== item.id)
    this.#change({ items: [item, ...others].sort((one, other) => numberOf(other.id) - numberOf(one.id)), counts })
  }

  #marked(mark: string, at: number, isMeant: (item: Notification) => boolean, counts: FeedCounts): void {
    const change = changes[mark]
    // Where an item stands changes, which the server knows.
    if (change === undefined) {
      this.#change({ counts })
      return this.lost()
    }
    const apply = (all: readonly Notification[]) => all.flatMap((item) => (isMeant(item) ? change(item, at) : [item]))
    this.#change({ items: apply(this.#view.items), pinned: apply(this.#view.pinned), counts })
  }

  #newest(): string | undefined {
    const all = [...this.#view.items, ...this.#view.pinned]
    return all.sort((one, other) => numberOf(other.id) - numberOf(one.id))[0]?.id
  }

  #change(change: Partial<FeedView>): void {
    this.#view = { ...this.#view, ...change }
    this.changes.tell(this.#view)
  }
}

/** The notifications of the user: feeds, and preferences. */
export class Notifications {
  readonly #http: Http
  readonly #user: string
  readonly #feeds = new Map<string, NotificationFeed>()

  constructor(http: Http, user: string) {
    this.#http = http
    this.#user = user
  }

  /** A feed by its name; the same one each time. `open` reads it. */
  feed(name = 'default'): NotificationFeed {
    const known = this.#feeds.get(name) ?? new NotificationFeed(this.#http, name)
    this.#feeds.set(name, known)
    return known
  }

  /** The user's own preferences with what they come to for each category, as `GET /v1/users/{user}/preferences` answers. */
  async preferences(): Promise<Readonly<Record<string, unknown>>> {
    return fields(await this.#http.request('GET', this.#path()))
  }

  /** Stores preferences in place of those before. */
  async setPreferences(preferences: Preferences): Promise<void> {
    await this.#http.request('PUT', this.#path(), preferences)
  }

  /** Registers this device for push: `address` is what `PushSubscription.toJSON()` gives. The id is yours, one for each device. */
  async addWebPush(id: string, address: unknown): Promise<void> {
    await this.#http.request('PUT', this.#target(id), { type: 'web-push', address })
  }

  /** Ends push to this device, as at a sign-out. */
  async removeTarget(id: string): Promise<void> {
    await this.#http.request('DELETE', this.#target(id))
  }

  /** Display names by user id, of those users that have one. At most 100 ids. */
  async names(ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
    if (ids.length === 0) return new Map()
    const query = new URLSearchParams({ ids: ids.join(',') })
    const page = fields(await this.#http.request('GET', `/v1/users?${query.toString()}`))
    const named = items(page['users']).map((user): [string, string] => [
      text(fields(user)['id']),
      text(fields(user)['name']),
    ])
    return new Map(named.filter(([, name]) => name !== ''))
  }

  /** Takes an event of the user's channel. */
  hear(event: unknown): void {
    for (const feed of this.#feeds.values()) feed.hear(event)
  }

  lost(): void {
    for (const feed of this.#feeds.values()) feed.lost()
  }

  #path(): string {
    return `/v1/users/${encodeURIComponent(this.#user)}/preferences`
  }

  #target(id: string): string {
    return `/v1/users/${encodeURIComponent(this.#user)}/targets/${encodeURIComponent(id)}`
  }
}

/** What marks do to items that stay where they are; an archived item is shown no more. */
const changes: Readonly<Record<string, (item: Notification, at: number) => readonly Notification[]>> = {
  seen: (item, at) => [{ ...item, seenAt: item.seenAt ?? at }],
  unseen: (item) => [{ ...item, seenAt: null, readAt: null }],
  read: (item, at) => [{ ...item, seenAt: item.seenAt ?? at, readAt: item.readAt ?? at }],
  unread: (item) => [{ ...item, readAt: null }],
  interacted: (item, at) => [
    { ...item, seenAt: item.seenAt ?? at, readAt: item.readAt ?? at, interactedAt: item.interactedAt ?? at },
  ],
  archived: () => [],
}

/** The number behind the colon of an id: later items have greater ones. */
const numberOf = (id: string): number => Number(id.slice(id.lastIndexOf(':') + 1))

function readNotification(given: unknown): Notification {
  const item = fields(given)
  return {
    id: text(item['id']),
    at: count(item['at']),
    title: text(item['title']),
    body: text(item['body']),
    url: text(item['url']) || undefined,
    actions: items(item['actions'])
      .filter(isFields)
      .map((action) => ({
        id: text(action['id']),
        label: text(action['label']),
        url: text(action['url']) || undefined,
      })),
    actor: text(item['actor']),
    category: text(item['category']),
    conversation: text(item['conversation']),
    seenAt: timeOf(item['seenAt']),
    readAt: timeOf(item['readAt']),
    interactedAt: timeOf(item['interactedAt']),
    pinnedAt: timeOf(item['pinnedAt']),
  }
}

const timeOf = (given: unknown): number | null => (typeof given === 'number' ? given : null)

function readCounts(given: unknown): FeedCounts {
  const counts = fields(given)
  return {
    total: count(counts['total']),
    unseen: count(counts['unseen']),
    unread: count(counts['unread']),
    archived: count(counts['archived']),
    pinned: count(counts['pinned']),
  }
}
