import type { Env } from '../../src/env.ts'
import { BoundedMap } from '../../src/kernel/bounded-map.ts'
import { within } from '../../src/kernel/retry.ts'
import { drained, levelOf, unitsOf, type BucketRate } from '../../src/kernel/token-bucket.ts'
import type { Profile } from '../../src/notifications/model.ts'
import { chatWorkflow, type ChatNoticeKind } from '../../src/protocol/chat-notifications-api.ts'
import { notificationCatalogOf, recipientsOf } from '../address.ts'
import type { ResolvedWorkflow } from '../notification-contracts.ts'

/** Recipients that conversations may notify in one of a tenant's sixteen actors: so many a second, and as many at once. */
const rate: BucketRate = { limit: 100, windowMs: 1000 }
const burst = 2000
/** For how long workflows and names are used without asking again, in milliseconds. */
const usedForMs = 10_000
const nameForMs = 60_000
const askingMs = 5_000

interface Kept<T> {
  readonly value: T
  readonly until: number
}

/** What notifications of conversations are made of, beside what the conversation says; and how many there may be. */
export class ChatSources {
  readonly #env: Env
  readonly #tenant: string
  readonly #workflows = new BoundedMap<ChatNoticeKind, Kept<ResolvedWorkflow>>(10)
  readonly #profiles = new BoundedMap<string, Kept<Partial<Profile>>>(1000)
  #level = 0
  #levelAt = 0

  constructor(env: Env, tenant: string) {
    this.#env = env
    this.#tenant = tenant
  }

  /** Charges so many recipients, before they are looked at; false while there are too many. */
  take(recipients: number, now: number): boolean {
    const level = drained(rate, this.#level, now - this.#levelAt)
    if (unitsOf(rate, level) + Math.min(recipients, burst) > burst) return false
    this.#level = level + levelOf(rate, recipients)
    this.#levelAt = now
    return true
  }

  /** The workflow of a kind of notice and its category: the tenant's own, or the one that is built in. */
  async workflow(
    kind: ChatNoticeKind,
    now: number,
  ): Promise<ResolvedWorkflow & { readonly workflow: NonNullable<ResolvedWorkflow['workflow']> }> {
    const known = this.#workflows.get(kind)
    const kept = known !== undefined && isFresh(known, now, usedForMs) ? known.value : await this.#resolve(kind, now)
    const { workflow } = kept
    if (workflow === undefined) throw new Error(`there is no workflow ${chatWorkflow(kind)}`)
    return { ...kept, workflow }
  }

  /** Name and avatar of an author. They are left out where they cannot be read. */
  async profile(user: string, now: number): Promise<Partial<Profile> | undefined> {
    const known = this.#profiles.get(user)
    if (known !== undefined && isFresh(known, now, nameForMs)) return known.value
    try {
      const asked = recipientsOf(this.#env, this.#tenant, user).usersById([user], true)
      const [text] = await within(askingMs, 'the profile of the author', asked)
      const value: Partial<Profile> = text === undefined ? { id: user } : JSON.parse(text)
      this.#profiles.set(user, { value, until: now + nameForMs })
      return value
    } catch {
      return undefined
    }
  }

  async #resolve(kind: ChatNoticeKind, now: number): Promise<ResolvedWorkflow> {
    const catalog = notificationCatalogOf(this.#env, this.#tenant)
    const asked = catalog.resolve(chatWorkflow(kind), undefined, undefined)
    const value: ResolvedWorkflow = JSON.parse(await within(askingMs, 'the catalog of notifications', asked))
    this.#workflows.set(kind, { value, until: now + usedForMs })
    return value
  }
}

/** A time that lies too far ahead shows that the clock was set back. */
const isFresh = ({ until }: Kept<unknown>, now: number, forMs: number): boolean => now < until && until - now <= forMs
