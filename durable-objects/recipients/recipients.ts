import { systemClock } from '../../src/kernel/clock.ts'
import { noItems, type FeedCounts } from '../../src/notifications/feed/marks.ts'
import type { Preferences, Target } from '../../src/notifications/model.ts'
import { publicText, userText, type ProfileInput } from '../../src/notifications/users/profile.ts'
import type { Refusal } from '../../src/protocol/errors.ts'
import { itemIdOf } from '../../src/protocol/feed-api.ts'
import { requireTenant } from '../../src/tenants/erased.ts'
import { ownName } from '../address.ts'
import type {
  CancelCall,
  FeedPageCall,
  HandoverCall,
  MarkCall,
  MarkedItems,
  RecipientsRpc,
  StoredProfile,
  Taken,
} from '../notification-contracts.ts'
import { isUsed, migrate } from '../shared/migrate.ts'
import { OpenPlace } from '../shared/open-place.ts'
import { TenantActor } from '../shared/tenant-actor.ts'
import { LiveEvents } from './live-events.ts'
import { recipientsSchema } from './schema.ts'
import { FeedTable } from './sql-feed.ts'
import { refuseUnknown, UserTable } from './sql-users.ts'

/** Ids of items that the answer to a mark of all of them names. */
const maxNamed = 1000

/**
 * Users of a tenant with their notices: one of sixteen actors, each with the users whose ids hash to its number. Decides for many users in
 * one commit, and then lets Workers send; it never waits for one.
 */
export class Recipients extends TenantActor implements RecipientsRpc {
  readonly #place = new OpenPlace(this.ctx, this.env, 'recipients')
  readonly #tenant = ownName(this.ctx.id.name).tenant
  readonly #sql = this.ctx.storage.sql
  readonly #clock = systemClock
  readonly #users = new UserTable(this.#sql)
  readonly #feeds = new FeedTable(this.#sql)
  readonly #live = new LiveEvents(this.env, this.#tenant)
  /** An actor that was only asked has no tables. */
  #isUsed = isUsed(this.#sql)

  constructor(...given: ConstructorParameters<typeof TenantActor>) {
    super(...given)
    if (this.#isUsed) migrate(this.#sql, recipientsSchema)
  }

  handOver(_call: HandoverCall): Promise<Taken> {
    this.#use()
    throw new Error('recipients: runs are not decided yet')
  }

  cancel(_call: CancelCall): void {
    this.#use()
  }

  /** Stores a profile in place of the one before. */
  putUser(user: string, given: ProfileInput): StoredProfile & { readonly isNew: boolean } {
    this.#use()
    const { stored, isNew } = this.#users.put(user, given, this.#clock.now())
    return { kind: 'profile', json: userText(stored), isNew }
  }

  /** Stores many profiles in one commit. */
  putUsers(users: readonly { readonly id: string; readonly given: ProfileInput }[]): void {
    this.#use()
    for (const { id, given } of users) this.#users.put(id, given, this.#clock.now())
  }

  /** Changes fields of a profile that exists. */
  patchUser(user: string, given: ProfileInput): StoredProfile | Refusal {
    if (!this.#isUsed) return refuseUnknown(user)
    const stored = this.#users.patch(user, given, this.#clock.now())
    return 'kind' in stored ? stored : { kind: 'profile', json: userText(stored) }
  }

  /** JSON text of a user. */
  user(user: string): string | undefined {
    const stored = this.#isUsed ? this.#users.find(user) : undefined
    return stored === undefined ? undefined : userText(stored)
  }

  /** JSON texts of users in the order of their ids, those behind `after`, with the last id. */
  users(after: string, limit: number): { readonly users: readonly string[]; readonly last: string } {
    const page = this.#isUsed ? this.#users.page(after, limit) : []
    return { users: page.map(userText), last: page.at(-1)?.id ?? '' }
  }

  /** JSON texts of those users that exist; `isPublic` for what every user of the tenant may see. */
  usersById(ids: readonly string[], isPublic: boolean): string[] {
    if (!this.#isUsed) return []
    const found = ids.flatMap((id) => this.#users.find(id) ?? [])
    return found.map(isPublic ? publicText : userText)
  }

  putTarget(user: string, target: Target): { readonly kind: 'put' } | Refusal {
    this.#use()
    return this.#users.putTarget(user, target, this.#clock.now())
  }

  removeTarget(user: string, target: string): boolean {
    return this.#isUsed && this.#users.removeTarget(user, target, this.#clock.now())
  }

  /** A user's own layer of preferences with the zone of the profile. */
  preferences(user: string): { readonly preferences: Preferences; readonly zone: string | undefined } {
    if (!this.#isUsed) return { preferences: {}, zone: undefined }
    const { profile, preferences = {} } = this.#users.recipient(user)
    return { preferences, zone: profile.zone }
  }

  putPreferences(user: string, preferences: Preferences): void {
    this.#use()
    this.#users.putPreferences(user, preferences, this.#clock.now())
  }

  /** JSON text of a page of a feed. */
  feed(user: string, feed: string, { filter, category, cursor, limit }: FeedPageCall): string {
    if (!this.#isUsed) return JSON.stringify({ items: [], pinned: [], counts: noItems, next: null })
    const query = { filter, category, before: cursor ?? Number.MAX_SAFE_INTEGER, limit }
    const { items, before } = this.#feeds.page(user, feed, query)
    const isFirst = cursor === undefined && filter === 'all'
    const pinned = isFirst ? this.#feeds.page(user, feed, { ...query, filter: 'pinned', limit: 100 }).items : []
    const counts = this.#feeds.counts(user, feed)
    return JSON.stringify({ items, pinned, counts, next: before === undefined ? null : String(before) })
  }

  /** The counts of all feeds of a user. */
  feedCounts(user: string): Record<string, FeedCounts> {
    return this.#isUsed ? this.#feeds.allCounts(user) : {}
  }

  /** Marks items, and tells the user's connections. */
  markFeed(user: string, { feed, mark, numbers, upTo }: MarkCall): MarkedItems | Refusal {
    if (!this.#isUsed) return { kind: 'marked', items: [], counts: noItems }
    const now = this.#clock.now()
    const marked =
      numbers === undefined
        ? this.#feeds.markAll(user, feed, upTo ?? Number.MAX_SAFE_INTEGER, mark, now)
        : this.#feeds.mark(user, feed, numbers, mark, now)
    if (marked.kind === 'refused') return marked
    const { counts } = marked
    const items = marked.items.slice(0, maxNamed).map(({ id }) => id)
    if (items.length > 0) {
      const named = numbers === undefined ? null : items
      const last = upTo === undefined ? null : itemIdOf(feed, upTo)
      const data = JSON.stringify({ type: 'feed', feed, counts, mark, at: now, items: named, upTo: last })
      this.#live.send([{ user, data }])
    }
    return { kind: 'marked', items, counts }
  }

  /** Creates the tables, on the first write. */
  #use(): void {
    this.#place.used()
    if (this.#isUsed) return
    requireTenant(this.#tenant)
    migrate(this.#sql, recipientsSchema)
    this.#isUsed = true
  }
}
